"""Perception-R1's grounding reward as its released code computes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Missing, Parameters, Verifier
from pe.verifiers._truth import Truth

__all__ = ["PerceptionR1CompatVerifier"]

_N = r"(-?\d++(?:\.\d++)?)"
_PATTERNS = (
    re.compile(rf"\[\s*+{_N},\s*+{_N},\s*+{_N},\s*+{_N}\s*+\]"),
    re.compile(rf"\(\s*+{_N},\s*+{_N},\s*+{_N},\s*+{_N}\s*+\)"),
    re.compile(rf"\(\s*+{_N},\s*+{_N}\),\s*+\(\s*+{_N},\s*+{_N}\)"),
)
_NUMBERS = re.compile(r"-?\d++(?:\.\d*+)?(?:[eE][-+]?\d++)?")
_LONGEST = 300


class PerceptionR1CompatParameters(Parameters):
    """The original's format reward stands beside it."""

    format: str = "perception-r1-compat"
    also: dict[str, dict[str, Any]] = Field(default={"perception-r1-format-compat": {}})


class PerceptionR1CompatVerifier(Verifier):
    """linkangheng/PR1@48d5558, rewards.py, pr1_grounding_reward: IoU^2 of the first box, 0..1000.

    The box is the first [a, b, c, d], or else (a, b, c, d), or else (a, b),(c, d), or else zeros. Without
    <|box_start|> its numbers are multiplied by 1000 and cut to whole ones. Corners stay as they are, so that areas may
    be negative. Where the union is 0 the original divides by it: the score is missing if the truth has no area, and
    else 0; a number of more than 300 digits is 0, too. The truth is one bbox, or text: "[x0, y0, x1, y1]", 0..1000.
    """

    Parameters: ClassVar[type[Parameters]] = PerceptionR1CompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox",)
    formula = "IoU^2 of the first box"
    source = "linkangheng/PR1@48d5558"

    def prepare(self, truth: Truth, call: Call) -> Sequence[float]:
        """The box as four numbers of 0..1000."""
        if truth.written:
            numbers = [float(number) for number in _NUMBERS.findall(truth.written)]
            if len(numbers) != 4:
                raise ValueError(f"it is not a list of four numbers: {truth.written[:80]!r}")
            return numbers
        if len(truth.objects) != 1 or truth.objects[0].bbox is None:
            raise ValueError("it is not one object with a bbox")
        return [value / call.image[axis % 2] * 1000 for axis, value in enumerate(truth.objects[0].bbox)]

    def judge(self, answer: Decoded, truth: Sequence[float], call: Call) -> Mapping[str, float]:
        """See Verifier."""
        box = _first_box(call.response.replace("<|endoftext|>", ""))
        wide = min(box[2], truth[2]) - max(box[0], truth[0])
        high = min(box[3], truth[3]) - max(box[1], truth[1])
        common = max(0, wide) * max(0, high)
        union = (box[2] - box[0]) * (box[3] - box[1]) + (truth[2] - truth[0]) * (truth[3] - truth[1]) - common
        if union:
            return {"accuracy": (common / union) ** 2}
        if (truth[2] - truth[0]) * (truth[3] - truth[1]):
            return {"accuracy": 0.0}
        raise Missing("the truth has no area, and the released code divides by the union of the boxes")


def _first_box(text: str) -> Sequence[float]:
    found = next((match for pattern in _PATTERNS if (match := pattern.search(text))), None)
    if found is None or any(len(number) > _LONGEST for number in found.groups()):
        return (0, 0, 0, 0)
    numbers = [float(number) for number in found.groups()]
    return numbers if "<|box_start|>" in text else [int(number * 1000) for number in numbers]
