"""Points on the supports of what a question is about: PointRL's terms over the set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.spatial import cKDTree

from pe.formats import Decoded
from pe.geometry.matching import hungarian
from pe.geometry.spans import Spans
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._masks import region
from pe.verifiers._pairing import alike, places
from pe.verifiers._policy import silence
from pe.verifiers._truth import Box, Point, Target, Truth

__all__ = ["PointRlVerifier"]

_IN_MASK, _IN_BOX, _AT_POINT = 0.70, 0.55, 0.35


class PointRlParameters(Parameters):
    """`sigma`: as a fraction of the image's diagonal. `near`: pixels within which two points are the same one."""

    sigma: float = Field(default=0.025, gt=0.0, le=1.0)
    near: float = Field(default=5.0, ge=0.0)


class _Support(NamedTuple):
    """What a point has to be on: a mask, a box or a point, and what it is worth at most beside it."""

    cap: float
    spans: Spans | None
    pixels: cKDTree | None
    box: Box


class _Supports(NamedTuple):
    labels: tuple[str, ...]
    supports: tuple[_Support, ...]


class PointRlVerifier(Verifier):
    """0.5 (0.5 S_pred + 0.5 S_cov) + 0.5 S_cov S_cnt S_dup for n points and m truths, one to one by the largest sum.

    A point on its truth's support is worth 1; at distance d > 0 from it cap * exp(-d^2 / 2 sigma^2), cap 0.70 for a
    mask, 0.55 for a box, 0.35 for a point. S_pred and S_cov are the sum over pairs by n and by m; S_cnt =
    exp(-1.2 max(0, n - m) / m - 3.0 max(0, m - n) / m); S_dup = 1 - (points without a truth that are `near` another
    point) / n. The paper's cap of 0.25 for an answer that copies the question's cue needs the cue, which a truth has
    not; it asks for m >= 1, and here silence is right for m = 0.
    """

    Parameters: ClassVar[type[Parameters]] = PointRlParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("point",)
    formula = "0.25 S_pred + 0.25 S_cov + 0.5 S_cov S_cnt S_dup"
    source = "PointRL (arXiv 2608.25299); sigma is ours, and S_pred, S_cov and S_dup are as read here"

    def prepare(self, truth: Truth, call: Call) -> _Supports:
        """The supports: of each object its mask or rings, or else its bbox, or else its point."""
        supports = tuple(_support(target, index, call) for index, target in enumerate(truth.objects))
        return _Supports(tuple(label(target.phrase) for target in truth.objects), supports)

    def judge(self, answer: Decoded, truth: _Supports, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        if settled is not None:
            return {"accuracy": settled}
        points = places(answer)
        sigma = self.parameters.sigma * math.hypot(*call.image)
        spots, which = np.unique(points, axis=0, return_inverse=True)
        worth = np.stack([_worth(spots, support, sigma) for support in truth.supports], axis=1)[which.reshape(-1)]
        worth = np.where(alike(answer, truth.labels), np.nan_to_num(worth), 0.0)
        pairs = hungarian(worth, 0.0)
        total = sum(float(worth[pair]) for pair in pairs)
        n, m = worth.shape
        count = math.exp(-1.2 * max(0, n - m) / m - 3.0 * max(0, m - n) / m)
        same = 1.0 - self._repeated(points, {row for row, _ in pairs}) / n
        return {"accuracy": 0.25 * total / n + 0.25 * total / m + 0.5 * total / m * count * same}

    def _repeated(self, points: npt.NDArray[np.float64], paired: set[int]) -> int:
        """How many points without a truth lie near another point."""
        free = [row for row in range(len(points)) if row not in paired and not np.isnan(points[row, 0])]
        if not free:
            return 0
        # Where all points are one, a search for all neighbours would be quadratic.
        spots, which, times = np.unique(
            points[~np.isnan(points[:, 0])], axis=0, return_inverse=True, return_counts=True
        )
        next_one = cKDTree(spots).query(spots, k=2)[0][:, 1]
        crowded = (times > 1) | (next_one <= self.parameters.near)
        of_row = np.zeros(len(points), bool)
        of_row[~np.isnan(points[:, 0])] = crowded[which.reshape(-1)]
        return int(of_row[free].sum())


def _support(target: Target, index: int, call: Call) -> _Support:
    if target.mask is not None or target.rings is not None:
        spans = region(target, index, (call.image[1], call.image[0]))
        return _Support(_IN_MASK, spans, cKDTree(_outline(spans)), (0.0, 0.0, 0.0, 0.0))
    if target.bbox is not None:
        x0, y0, x1, y1 = target.bbox
        return _Support(_IN_BOX, None, None, (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    if target.point is None:
        raise ValueError(f"object {index} has neither a mask nor rings nor a bbox nor a point")
    point: Point = target.point
    return _Support(_AT_POINT, None, None, (*point, *point))


def _outline(spans: Spans) -> npt.NDArray[np.float64]:
    """(B, 2) centres of the pixels of a mask that have a side on its border."""
    x0, y0, x1, y1 = spans.box()
    crop = np.pad(spans.window((x0, y0, x1, y1)), 1)
    inner = crop[1:-1, :-2] & crop[1:-1, 2:] & crop[:-2, 1:-1] & crop[2:, 1:-1]
    y, x = np.nonzero(crop[1:-1, 1:-1] & ~inner)
    return np.stack([x + x0 + 0.5, y + y0 + 0.5], axis=1)


def _worth(points: npt.NDArray[np.float64], support: _Support, sigma: float) -> npt.NDArray[np.float64]:
    x0, y0, x1, y1 = support.box
    if support.spans is None or support.pixels is None:
        apart = np.hypot(
            np.maximum(np.maximum(x0 - points[:, 0], points[:, 0] - x1), 0.0),
            np.maximum(np.maximum(y0 - points[:, 1], points[:, 1] - y1), 0.0),
        )
        on = apart == 0
    else:
        on = support.spans.holds(points)
        apart = support.pixels.query(np.nan_to_num(points))[0] + 0.0 * points[:, 0]
    return np.where(on, 1.0, support.cap * np.exp(-np.square(apart) / (2.0 * sigma * sigma)))
