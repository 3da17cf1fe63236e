"""VLM-R1's exact text reward as it is released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._truth import Truth
from pe.verifiers._vlm_r1_words import clean

__all__ = ["VlmR1AllMatchCompatVerifier"]


class VlmR1AllMatchCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={"vlm-r1-format-compat": {}})


class VlmR1AllMatchCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, all_match_reward: the last answers in lower case, final full stops taken off."""

    Parameters: ClassVar[type[Parameters]] = VlmR1AllMatchCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if the cleaned texts are equal, else 0"
    source = "om-ai-lab/VLM-R1@90052f4"

    def prepare(self, truth: Truth, call: Call) -> str:
        """The cleaned solution."""
        return clean(truth.text)

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": float(clean(call.response) == truth)}
