"""Length: the shorter the better, down to a floor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Missing, Parameters, Verifier

__all__ = ["LengthVerifier"]


class LengthParameters(Parameters):
    """`limit` is the length from which on a response earns `floor`, counted in `unit`."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})
    limit: int = Field(default=1024, ge=1)
    floor: float = Field(default=0.5, ge=0.0, lt=1.0)
    unit: Literal["tokens", "characters"] = "tokens"


class LengthVerifier(Verifier):
    """Half a cosine from 1 for nothing to `floor` at `limit`, and `floor` beyond.

    Missing where the unit is tokens and the caller does not say how many there are: nothing is estimated.
    """

    Parameters: ClassVar[type[Parameters]] = LengthParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("length",)
    formula = "floor + (1 - floor) * (1 + cos(pi * min(n, limit) / limit)) / 2"
    source = "arXiv 2502.03373 (cosine reward), VLM-R1 (arXiv 2504.07615), corrected"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        known = self.parameters
        length = call.tokens if known.unit == "tokens" else len(call.response)
        if length is None:
            raise Missing("the response's length in tokens is not known")
        share = min(max(length, 0), known.limit) / known.limit
        return {"length": known.floor + (1.0 - known.floor) * (1.0 + math.cos(math.pi * share)) / 2}
