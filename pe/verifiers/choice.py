"""Multiple choice: the right letter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._gold import gold_text
from pe.verifiers._labels import label
from pe.verifiers._truth import Truth

__all__ = ["ChoiceVerifier"]

_LETTER = re.compile(r"\W{0,3}([A-H])(?:[.):\]*]|$)")


class ChoiceParameters(Parameters):
    """With `options` in the truth, an answer in the words of an option counts as its letter."""

    format: str = "choice"


class ChoiceVerifier(Verifier):
    """1 for the letter of the truth (A to H), else 0; how a letter is read is the format's."""

    Parameters: ClassVar[type[Parameters]] = ChoiceParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if the letter is the gold's, else 0"
    source = "VLM-R1 (arXiv 2504.07615), mcq, corrected"

    def prepare(self, truth: Truth, call: Call) -> str:
        """The right letter: the gold's own, or that of the option with its words."""
        gold = gold_text(truth, self.parameters.format, call)
        for letter, words in (truth.options or {}).items():
            if label(words) == label(gold):
                return letter.upper()
        if found := _LETTER.match(gold.upper() if len(gold) == 1 else gold):
            return found[1]
        raise ValueError(f"{gold[:80]!r} is neither a letter A to H nor the words of an option")

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": float(answer.text == truth)}
