"""Rex-Omni's points in boxes as its released code scores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pe.formats import Box, Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._rexomni import greedy_f1, points_of, read_pairs, same_phrase
from pe.verifiers._truth import Truth

__all__ = ["RexomniPointInBoxCompatVerifier"]


class RexomniPointInBoxCompatParameters(Parameters):
    """The original has no format reward."""

    format: str = "rexomni-compat"
    also: dict[str, dict[str, Any]] = Field(default={})


class _Boxes(NamedTuple):
    size: tuple[int, int]
    phrases: list[str]
    corners: npt.NDArray[np.float64]


class RexomniPointInBoxCompatVerifier(Verifier):
    """IDEA-Research/Rex-Omni@478e44f, reward_func.py, PointInBoxRewardFunction.

    The boxes in their order each take the first free point of exactly their phrase that lies in them, borders
    included: F1. Bins are thousandths. Nothing read and nothing there is 1, whatever the text. The truth is the
    original's JSON (a phrase without as many "points" as "boxes" is passed over), or objects with a bbox.
    """

    Parameters: ClassVar[type[Parameters]] = RexomniPointInBoxCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("point",)
    formula = "F1 of boxes that take the first free point in them"
    source = "IDEA-Research/Rex-Omni@478e44f"

    def prepare(self, truth: Truth, call: Call) -> _Boxes:
        """The size of the image, and the boxes with their phrases."""
        size, pairs = call.image, [(target.phrase, target.bbox) for target in truth.objects]
        if truth.written:
            size, pairs = read_pairs(truth, "boxes")
        if any(not isinstance(box, list | tuple) or len(box) != 4 for _, box in pairs):
            raise ValueError("a box is not four numbers")
        corners = np.array([_sorted(*box) for _, box in pairs if box], np.float64).reshape(-1, 4)
        return _Boxes(size, [phrase for phrase, _ in pairs], corners)

    def judge(self, answer: Decoded, truth: _Boxes, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        phrases, points = points_of(call.response, truth.size)
        low, high = truth.corners[:, None, :2], truth.corners[:, None, 2:]
        inside = ((low <= points) & (points <= high)).all(axis=2)
        return {"accuracy": greedy_f1(inside & same_phrase(phrases, truth.phrases))}


def _sorted(x0: float, y0: float, x1: float, y1: float) -> Box:
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
