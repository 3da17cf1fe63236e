"""Text that has to be right to the letter, but for case, white space and a full stop at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._gold import gold_text
from pe.verifiers._labels import label
from pe.verifiers._truth import Truth

__all__ = ["ExactTextVerifier"]


class ExactTextParameters(Parameters):
    """None of its own."""

    format: str = "text"


class ExactTextVerifier(Verifier):
    """1 for an answer whose text is the gold's, else 0; both are read in the format, so tags make no difference."""

    Parameters: ClassVar[type[Parameters]] = ExactTextParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if the texts are equal, else 0"
    source = "VLM-R1 (arXiv 2504.07615), all_match, corrected"

    def prepare(self, truth: Truth, call: Call) -> str:
        """The gold text, made comparable."""
        return _plain(gold_text(truth, self.parameters.format, call))

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": float(bool(answer.text) and _plain(answer.text) == truth)}


def _plain(text: str) -> str:
    return label(text.strip().removesuffix("."))
