"""Rex-Omni's points in masks as its released code scores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from pe.formats import Decoded
from pe.geometry.masks import decode
from pe.schemas.sample import Rle
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._masks import masks
from pe.verifiers._rexomni import greedy_f1, points_of, read_pairs, same_phrase
from pe.verifiers._truth import Truth

__all__ = ["RexomniPointInMaskCompatVerifier"]


class RexomniPointInMaskCompatParameters(Parameters):
    """The original has no format reward."""

    format: str = "rexomni-compat"
    also: dict[str, dict[str, Any]] = Field(default={})


class _Masks(NamedTuple):
    size: tuple[int, int]
    phrases: list[str]
    masks: Sequence[npt.NDArray[np.bool_] | None]


class RexomniPointInMaskCompatVerifier(Verifier):
    """IDEA-Research/Rex-Omni@478e44f, reward_func.py, PointInMaskRewardFunction.

    The masks in their order each take the first free point of exactly their phrase on one of their pixels: F1. A point
    at the right or lower border is on none, and a mask of another size than the image, or one that cannot be read,
    holds no point. The truth is the original's JSON (run lengths or nested lists; a phrase without as many "points" as
    "masks" is passed over), or objects with a mask or rings.
    """

    Parameters: ClassVar[type[Parameters]] = RexomniPointInMaskCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("point",)
    formula = "F1 of masks that take the first free point in them"
    source = "IDEA-Research/Rex-Omni@478e44f"

    def prepare(self, truth: Truth, call: Call) -> _Masks:
        """The size of the image, and the masks with their phrases."""
        if not truth.written:
            box = (0, 0, *call.image)
            drawn = [spans.window(box) for spans in masks(truth, call).spans]
            return _Masks(call.image, [target.phrase for target in truth.objects], drawn)
        size, pairs = read_pairs(truth, "masks")
        return _Masks(size, [phrase for phrase, _ in pairs], [_mask(value, size) for _, value in pairs])

    def judge(self, answer: Decoded, truth: _Masks, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        phrases, points = points_of(call.response, truth.size)
        within = (points < truth.size).all(axis=1)
        x, y = np.where(within, points.T, 0).astype(np.int64)
        on = [within & mask[y, x] if mask is not None else np.zeros(len(x), np.bool_) for mask in truth.masks]
        held = np.array(on, np.bool_).reshape(len(truth.masks), len(x))
        return {"accuracy": greedy_f1(held & same_phrase(phrases, truth.phrases))}


def _mask(value: Any, size: tuple[int, int]) -> npt.NDArray[np.bool_] | None:
    try:
        mask = decode(Rle.model_validate(value)) if isinstance(value, dict) else np.array(value, np.float64) != 0
    except (ValueError, TypeError, ValidationError):
        return None
    return mask if mask.shape == (size[1], size[0]) else None
