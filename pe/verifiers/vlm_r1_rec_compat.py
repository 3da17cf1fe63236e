"""VLM-R1's reward for referring expressions as its released code computes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._truth import Truth

__all__ = ["VlmR1RecCompatVerifier"]

_BOX = re.compile(r"\[(\d++),\s*+(\d++),\s*+(\d++),\s*+(\d++)\]")
_OPEN, _CLOSE = "<answer>", "</answer>"


class VlmR1RecCompatParameters(Parameters):
    """The original's format reward stands beside it."""

    format: str = "vlm-r1-compat"
    also: dict[str, dict[str, Any]] = Field(default={"vlm-r1-rec-format-compat": {}})


class VlmR1RecCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, qwen_module.py, iou_reward: the first box of whole numbers in the first answer tags.

    The box is taken from pixels of the input (`Call.input_size`, or else the image) to those of the image. The overlap
    reaches from the larger low corner to the smaller high corner - 1, both inclusive, and has to be more than one pixel
    along both sides. Anything that fails is 0. The truth is one bbox, or text: "<answer> [x0, y0, x1, y1] </answer>".
    """

    Parameters: ClassVar[type[Parameters]] = VlmR1RecCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox",)
    formula = "overlap / union, the overlap up to the high corners - 1"
    source = "om-ai-lab/VLM-R1@90052f4"

    def prepare(self, truth: Truth, call: Call) -> tuple[float, ...]:
        """The box as four numbers."""
        if not truth.written:
            if len(truth.objects) != 1 or truth.objects[0].bbox is None:
                raise ValueError("it is not one object with a bbox")
            return truth.objects[0].bbox
        text = truth.written
        if _OPEN in text:
            text = text.rpartition(_OPEN)[2].partition(_CLOSE)[0]
        try:
            box = json.loads(text)
        except ValueError:
            box = None
        if not isinstance(box, list) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
            raise ValueError(f"it is not a list of four numbers: {text[:80]!r}")
        return tuple(box)

    def judge(self, answer: Decoded, truth: Sequence[float], call: Call) -> Mapping[str, float]:
        """See Verifier."""
        start = call.response.find(_OPEN)
        end = call.response.find(_CLOSE, max(start, 0))
        found = _BOX.search(call.response, start, end) if 0 <= start < end else None
        if found is None:
            return {"accuracy": 0.0}
        shown = call.input_size or call.image
        try:
            box = [int(value) / shown[axis % 2] * call.image[axis % 2] for axis, value in enumerate(found.groups())]
            return {"accuracy": _overlap(box, truth)}
        except (ValueError, OverflowError, ZeroDivisionError):  # the original takes any fault for 0
            return {"accuracy": 0.0}


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    x0, y0 = max(a[0], b[0]), max(a[1], b[1])
    x1, y1 = min(a[2] - 1, b[2] - 1), min(a[3] - 1, b[3] - 1)
    common = (x1 - x0 + 1) * (y1 - y0 + 1) if x0 < x1 and y0 < y1 else 0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return float(common) / union
