"""The one rasteriser: rings to masks, for labels, rewards and evaluation alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pe.geometry.simpleseg import centre_rings_to_mask

Mask = npt.NDArray[np.bool_]
Ring = npt.NDArray[np.float64]
Orientation = Literal["cw", "ccw", "simpleseg-compat"]

_FAR = 2.0**24


def rings_to_mask(
    rings: Sequence[npt.ArrayLike], height: int, width: int, orientation: Orientation = "cw"
) -> npt.NDArray[np.bool_]:
    """Rasterise `rings` together into one (height, width) bool mask.

    A ring is an (N, 2) array or a flat [x, y, x, y, ...] list of absolute pixels in edge coordinates, closed by itself.

    Pixel rule: centre-sampled even-odd. Pixel (i, j) is set if and only if a ray from its centre (i + 0.5, j + 0.5) to
    the left crosses an odd number of edges of all rings together, so a ring inside a ring is a hole whatever its
    direction. An edge spans its upper end and not its lower one, and a crossing exactly at the centre counts: a box
    covers [x0, x1) x [y0, y1). Rings that follow pixel edges come back bit for bit, and the answer depends on neither
    the direction nor the start of a ring. Every comparison is exact for coordinates on the 1/64 px grid.

    Rings of fewer than 3 vertices cover nothing; what lies outside the image is cut off; coordinates beyond 2**24 are
    moved there. Cost goes with the rings' bounding box, not with the image.

    With orientation "simpleseg-compat" the rings run through pixel centres and `centre_rings_to_mask` decodes them.

    Raises ValueError for an odd number of coordinates and for NaN or infinity.
    """
    points = [_pairs(ring) for ring in rings]
    if orientation == "simpleseg-compat":
        return centre_rings_to_mask([_within_reach(ring) for ring in points], height, width)
    mask = np.zeros((height, width), np.bool_)
    points = [ring for ring in points if len(ring) >= 3]
    if not points or not mask.size:
        return mask
    start = _within_reach(np.concatenate(points))
    length = np.array([len(ring) for ring in points])
    last = np.cumsum(length) - 1
    stop = np.roll(start, -1, axis=0)
    stop[last] = start[last - length + 1]
    corner = np.maximum(np.floor(start.min(axis=0)), 0.0).astype(np.int64)
    columns, rows = np.minimum(np.ceil(start.max(axis=0)), (width, height)).astype(np.int64) - corner
    if columns > 0 and rows > 0:
        x, y = corner
        mask[y : y + rows, x : x + columns] = _fill(start - corner, stop - corner, int(rows), int(columns))
    return mask


def _pairs(ring: npt.ArrayLike) -> Ring:
    points = np.asarray(ring, np.float64)
    if points.size % 2 or (points.ndim != 1 and points.shape[1:] != (2,)):
        raise ValueError(f"a ring is pairs of x and y, not {points.size} numbers of shape {points.shape}")
    return points.reshape(-1, 2)


def _within_reach(points: Ring) -> Ring:
    if not np.isfinite(points).all():
        raise ValueError("a ring holds a coordinate that is not a finite number")
    return np.clip(points, -_FAR, _FAR)


def _fill(start: Ring, stop: Ring, height: int, width: int) -> Mask:
    """Even-odd fill of the edges start[k] -> stop[k] into a (height, width) window at the origin."""
    down = (start[:, 1] < stop[:, 1])[:, None]
    upper, lower = np.where(down, start, stop), np.where(down, stop, start)
    # row j is crossed when upper.y <= j + 0.5 < lower.y
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    rows = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64) - first
    edge = np.repeat(np.arange(len(rows)), rows)
    row = first[edge] + np.arange(len(edge)) - (np.cumsum(rows) - rows)[edge]
    x0, y0 = upper[edge].T
    x1, y1 = lower[edge].T
    crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    # the first pixel whose centre is not left of the crossing; one spare column takes those beyond the window
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    toggles = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    parity = np.bitwise_xor.accumulate(toggles[:, :width].astype(np.uint8) & 1, axis=1)
    return parity.view(np.bool_)
