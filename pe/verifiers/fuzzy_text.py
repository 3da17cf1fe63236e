"""Text that may be nearly right: how much of it would have to be written again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from rapidfuzz.distance import Levenshtein

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._gold import gold_text
from pe.verifiers._labels import label
from pe.verifiers._truth import Truth

__all__ = ["FuzzyTextVerifier"]

_LONGEST = 10_000


class FuzzyTextParameters(Parameters):
    """None of its own."""

    format: str = "text"


class FuzzyTextVerifier(Verifier):
    """1 - edit distance / length of the longer text, both without case and with single spaces.

    What an answer has beyond twice the gold's length and 1,000 characters counts as inserted, without being looked at.
    A gold of more than 10,000 characters is a ValueError.
    """

    Parameters: ClassVar[type[Parameters]] = FuzzyTextParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    formula = "1 - Levenshtein(answer, gold) / max(|answer|, |gold|)"
    source = "GLM-V glmv_reward, Kimi K2.5 (arXiv 2602.02276); VLM-R1's default for text, corrected"

    def prepare(self, truth: Truth, call: Call) -> str:
        """The gold text, made comparable."""
        gold = label(gold_text(truth, self.parameters.format, call))
        if len(gold) > _LONGEST:
            raise ValueError(f"its text has more than {_LONGEST:,} characters")
        return gold

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        text = label(answer.text)
        if not text:
            return {"accuracy": 0.0}
        read = text[: 2 * len(truth) + 1_000]
        distance = Levenshtein.distance(read, truth) + len(text) - len(read)
        return {"accuracy": max(0.0, 1.0 - distance / max(len(text), len(truth)))}
