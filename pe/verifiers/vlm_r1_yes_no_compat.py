"""VLM-R1's yes/no reward as it is released."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._truth import Truth
from pe.verifiers._vlm_r1_words import first_answer, gold_answer

__all__ = ["VlmR1YesNoCompatVerifier"]

_WORD = re.compile("yes|no")


class VlmR1YesNoCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={"vlm-r1-format-compat": {}})


class VlmR1YesNoCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, yes_no_reward: the first "yes" or "no", inside words too; none on both sides is 1."""

    Parameters: ClassVar[type[Parameters]] = VlmR1YesNoCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if the first yes or no is the same, else 0"
    source = "om-ai-lab/VLM-R1@90052f4"

    def prepare(self, truth: Truth, call: Call) -> str:
        """What the solution says: yes, no or nothing."""
        return _first(gold_answer(truth.text.lower()))

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": float(_first(first_answer(call.response.lower())) == truth)}


def _first(text: str) -> str:
    found = _WORD.search(text)
    return found[0] if found else ""
