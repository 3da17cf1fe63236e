"""Yes or no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._gold import gold_text
from pe.verifiers._truth import Truth

__all__ = ["YesNoVerifier"]

_LONGEST = 4_000
_WORD = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_FIRST = re.compile(r"[\W_]{0,16}(yes|no)\b", re.IGNORECASE)


class YesNoParameters(Parameters):
    """None of its own."""

    format: str = "text"


class YesNoVerifier(Verifier):
    """1 for the right one of "yes" and "no", else 0: the first word if it is one of them, else the last one said."""

    Parameters: ClassVar[type[Parameters]] = YesNoParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if yes or no as the gold, else 0"
    source = "VLM-R1 (arXiv 2504.07615), yes_no, corrected"

    def prepare(self, truth: Truth, call: Call) -> str:
        """The gold, as yes or no."""
        gold = _said(gold_text(truth, self.parameters.format, call))
        if not gold:
            raise ValueError("it says neither yes nor no")
        return gold

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": float(_said(answer.text) == truth)}


def _said(text: str) -> str:
    if first := _FIRST.match(text):
        return first[1].lower()
    words = _WORD.findall(text[-_LONGEST:])
    return str(words[-1]).lower() if words else ""
