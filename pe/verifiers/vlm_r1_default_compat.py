"""VLM-R1's default accuracy as it is released: mathematics, then a number, a letter, or the likeness of the texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field
from rapidfuzz.distance import Indel

from pe.formats import Decoded
from pe.registry import require
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._maths import LONGEST_TEXT, equal
from pe.verifiers._truth import Truth
from pe.verifiers._vlm_r1_words import choice, clean, gold_answer, last_answer

__all__ = ["VlmR1DefaultCompatVerifier"]

_DIGIT = re.compile(r"\d")


class VlmR1DefaultCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={"vlm-r1-format-compat": {}})


class VlmR1DefaultCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, default_accuracy_reward.

    Of texts above 16,000 characters only the first 16,000 are compared, and not as mathematics. Where the worker of
    math-verify overruns, the score is missing.
    """

    Parameters: ClassVar[type[Parameters]] = VlmR1DefaultCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    formula = "1 if math-verify finds them equal; else number = number, letter = letter, or 2M / (|a| + |b|)"
    source = "om-ai-lab/VLM-R1@90052f4"

    def __init__(self, parameters: Any) -> None:
        require("vlm-r1-default-compat", "maths", "math_verify")
        super().__init__(parameters)

    def prepare(self, truth: Truth, call: Call) -> str:
        """The answer of the solution."""
        gold = gold_answer(truth.text)
        if len(gold) > LONGEST_TEXT:
            raise ValueError(f"it has more than {LONGEST_TEXT:,} characters")
        return gold

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        said = last_answer(call.response)
        if len(said) <= LONGEST_TEXT and equal("plain", said, truth):
            return {"accuracy": 1.0}
        if _DIGIT.search(truth):
            return {"accuracy": _as_numbers(said, truth)}
        if right := choice(truth):
            return {"accuracy": float(choice(said) == right)}
        return {"accuracy": _likeness(said, truth)}


def _as_numbers(said: str, truth: str) -> float:
    try:
        return float(float(clean(said)) == float(clean(truth)))
    except ValueError:
        return _likeness(said, truth)


def _likeness(said: str, truth: str) -> float:
    return Indel.normalized_similarity(clean(said)[:LONGEST_TEXT], clean(truth))
