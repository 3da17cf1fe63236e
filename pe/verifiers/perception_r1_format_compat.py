"""Perception-R1's format reward as its released code computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier

__all__ = ["PerceptionR1FormatCompatVerifier"]

_OPENINGS = ("<", ">", "object_ref_start", "object_ref_end", "box_start", "box_end", "im_end")
_FIRST, _MIDDLE, _LAST = "<|object_ref_start|>", "<|object_ref_end|><|box_start|>", "<|box_end|><|im_end|>"


class PerceptionR1FormatCompatParameters(Parameters):
    """`escaped`: the pattern as it was meant, and not as it was released."""

    format: str = "perception-r1-compat"
    also: dict[str, dict[str, Any]] = Field(default={})
    escaped: bool = False


class PerceptionR1FormatCompatVerifier(Verifier):
    """linkangheng/PR1@48d5558, rewards.py, pr1_grounding_format_reward: 1 or 0.

    The pattern's "|" are not escaped, which makes it a choice of seven openings: any text that begins with "<" passes.
    `escaped` is what it was meant to be: phrase, box and end token, from the beginning and on one line.
    """

    Parameters: ClassVar[type[Parameters]] = PerceptionR1FormatCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("format",)
    formula = "1 if it begins with <, >, object_ref_start, object_ref_end, box_start, box_end or im_end, else 0"
    source = "linkangheng/PR1@48d5558"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        text = call.response.replace("<|endoftext|>", "")
        if not self.parameters.escaped:
            return {"format": float(text.startswith(_OPENINGS))}
        line = text.partition("\n")[0]
        middle = line.find(_MIDDLE, len(_FIRST))
        whole = line.startswith(_FIRST) and middle >= 0 and line.find(_LAST, middle + len(_MIDDLE)) >= 0
        return {"format": float(whole)}
