"""VLM-R1's format reward: the whole response is thinking and then an answer, in tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier

__all__ = ["VlmR1FormatCompatVerifier"]

_OPEN, _CLOSE = "<think>", "</answer>"
_BETWEEN = re.compile(r"</think>\s*+<answer>")


class VlmR1FormatCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})


class VlmR1FormatCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, format_reward: no space before, no line after; more tags inside pass.

    The original is one regular expression with two lazy stars; this finds the same in one pass.
    """

    Parameters: ClassVar[type[Parameters]] = VlmR1FormatCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("format",)
    formula = "1 if all of it is <think>...</think> <answer>...</answer>, else 0"
    source = "om-ai-lab/VLM-R1@90052f4"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        text = call.response
        whole = (
            text.startswith(_OPEN)
            and text.endswith(_CLOSE)
            and _BETWEEN.search(text, len(_OPEN), max(len(_OPEN), len(text) - len(_CLOSE))) is not None
        )
        return {"format": float(whole)}
