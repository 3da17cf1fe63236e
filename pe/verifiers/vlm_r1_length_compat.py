"""VLM-R1's cosine length reward as it is released."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Missing, Parameters, Verifier

__all__ = ["VlmR1LengthCompatVerifier"]

_LIMIT = 1024


class VlmR1LengthCompatParameters(Parameters):
    """It needs the response's length alone."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})


class VlmR1LengthCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, cosine_reward: the accuracy is overwritten with 1, and past 1,024 tokens it rises."""

    Parameters: ClassVar[type[Parameters]] = VlmR1LengthCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("length",)
    formula = "1 - 0.5 * (1 - cos(pi * n / 1024)) / 2"
    source = "om-ai-lab/VLM-R1@90052f4"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        if call.tokens is None:
            raise Missing("the response's length in tokens is not known")
        return {"length": 1.0 - 0.5 * (1.0 - math.cos(call.tokens * math.pi / _LIMIT)) / 2}
