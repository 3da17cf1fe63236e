"""The four tags of a reasoned answer, a quarter each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier

__all__ = ["FormatTagsVerifier"]

_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


class FormatTagsParameters(Parameters):
    """The decoder plays no part; "text" is the cheapest."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})


class FormatTagsVerifier(Verifier):
    """0.25 for each tag that stands in the response exactly once and after those before it that do, too."""

    Parameters: ClassVar[type[Parameters]] = FormatTagsParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("format",)
    formula = "0.25 for each of <think> </think> <answer> </answer> that is there once and in this order"
    source = "V-Triune (arXiv 2505.18129) section 3.2, after open-r1"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        value, last = 0.0, -1
        for tag in _TAGS:
            at = call.response.find(tag)
            if at > last and call.response.find(tag, at + 1) < 0:
                value, last = value + 0.25, at
        return {"format": value}
