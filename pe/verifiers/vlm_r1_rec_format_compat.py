"""VLM-R1's format reward for referring expressions: thinking, then an answer with a box in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier

__all__ = ["VlmR1RecFormatCompatVerifier"]

# What has to follow each other, anything in between: so the first of each after the one before is as good as any.
_STEPS = tuple(
    map(
        re.compile,
        ("<think>", r"</think>\s*+<answer>", r"\{", r"\[\d++,\s*+\d++,\s*+\d++,\s*+\d++\]", r"\}", "</answer>"),
    )
)


class VlmR1RecFormatCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})


class VlmR1RecFormatCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, qwen_module.py, format_reward_rec: anywhere in the response, whole numbers only.

    No answer about an absent object passes. The original's regular expression has five stars; this is one pass.
    """

    Parameters: ClassVar[type[Parameters]] = VlmR1RecFormatCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("format",)
    formula = "1 if <think>...</think> <answer>...{...[d, d, d, d]...}...</answer> is in it, else 0"
    source = "om-ai-lab/VLM-R1@90052f4"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        position = 0
        for step in _STEPS:
            found = step.search(call.response, position)
            if found is None:
                return {"format": 0.0}
            position = found.end()
        return {"format": 1.0}
