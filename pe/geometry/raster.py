"""The one rasteriser: rings to masks, for labels, rewards and evaluation alike."""

from __future__ import annotations

import math
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
    found = crossings(points, height, width)
    if found is not None:
        (x, y, columns, rows), row, column = found
        mask[y : y + rows, x : x + columns] = _fill(row, column, rows, columns)
    return mask


def crossings(
    rings: Sequence[Ring], height: int, width: int
) -> tuple[tuple[int, int, int, int], npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Where the edges of `rings`, (N, 2) arrays, cross the rows of a (height, width) image by `rings_to_mask`'s rule.

    Returns the rings' window (x, y, columns, rows) in the image, and row and column in that window of every crossing,
    in no order; None where the window is empty. The pixels of a row from an odd crossing up to the next are set; the
    column `columns` takes what lies beyond the window. Raises ValueError for NaN and infinity.
    """
    points = [ring for ring in rings if len(ring) >= 3]
    if not points or not height or not width:
        return None
    start = _within_reach(np.concatenate(points))
    stop = np.concatenate([start[1:], start[:1]])
    if len(points) > 1:
        last = np.cumsum([len(ring) for ring in points]) - 1
        stop[last] = start[np.append(0, last[:-1] + 1)]
    x, y = (max(math.floor(low), 0) for low in start.min(axis=0).tolist())
    right, bottom = start.max(axis=0).tolist()
    columns, rows = min(math.ceil(right), width) - x, min(math.ceil(bottom), height) - y
    if columns <= 0 or rows <= 0:
        return None
    return (x, y, columns, rows), *_cross(start - (x, y), stop - (x, y), rows, columns)


def _pairs(ring: npt.ArrayLike) -> Ring:
    points = np.asarray(ring, np.float64)
    if points.size % 2 or (points.ndim != 1 and points.shape[1:] != (2,)):
        raise ValueError(f"a ring is pairs of x and y, not {points.size} numbers of shape {points.shape}")
    return points.reshape(-1, 2)


def _within_reach(points: Ring) -> Ring:
    if not np.isfinite(points).all():
        raise ValueError("a ring holds a coordinate that is not a finite number")
    return np.clip(points, -_FAR, _FAR)


def _cross(start: Ring, stop: Ring, height: int, width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column of every crossing of the edges start[k] -> stop[k] in a (height, width) window at the origin."""
    down = start[:, 1] < stop[:, 1]
    x0, x1 = np.where(down, start[:, 0], stop[:, 0]), np.where(down, stop[:, 0], start[:, 0])
    y0, y1 = np.where(down, start[:, 1], stop[:, 1]), np.where(down, stop[:, 1], start[:, 1])
    # row j is crossed when y0 <= j + 0.5 < y1
    first, beyond = (np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64) for y in (y0, y1))
    rows = beyond - first
    ends = np.cumsum(rows)
    row = np.arange(ends[-1]) + np.repeat(first - ends + rows, rows)
    x0, y0, across, high = (np.repeat(values, rows) for values in (x0, y0, x1 - x0, y1 - y0))
    crossing = x0 + (row + 0.5 - y0) * across / high
    # the first pixel whose centre is not left of the crossing
    return row, np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)


def _fill(row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], height: int, width: int) -> Mask:
    """The (height, width) window whose pixels lie right of an odd number of crossings of their row."""
    toggles = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    parity = np.bitwise_xor.accumulate(toggles[:, :width].astype(np.uint8) & 1, axis=1)
    return parity.view(np.bool_)
