"""Masks to rings: polygons along pixel edges that rasterise back to the mask, and their simplification."""

from __future__ import annotations

from itertools import accumulate
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from pe.geometry.masks import mask_iou, mask_window
from pe.geometry.raster import Mask, Orientation, Ring, rings_to_mask
from pe.geometry.simpleseg import mask_to_centre_rings

_Number = TypeVar("_Number", np.int32, np.float64)

FLOOR_SLOPE = 20.0
_NEAREST = 0.4


def mask_to_rings(mask: Mask, epsilon: float = 0.005, orientation: Orientation = "cw") -> list[Ring]:
    """The borders of a (H, W) bool `mask` as rings: (N, 2) float64 arrays of x, y on pixel edges.

    Outer rings run clockwise on screen (positive shoelace sum with y down) and holes counter-clockwise; "ccw" reverses
    both. Every ring starts at its smallest (y, x) and has no repeated or collinear vertex at `epsilon` 0. Outer rings
    come in the order of their first mask pixel, each followed by its holes. Pixels that touch at a corner belong to one
    part, so a ring may visit a vertex twice. At `epsilon` 0 `rings_to_mask` gives back the mask bit for bit and the
    signed areas add up to its pixel count. An empty mask has no rings.

    `epsilon` is the tolerance of Douglas-Peucker (cv2.approxPolyDP) as a fraction of each ring's perimeter, in [0, 1).
    Two rules keep it honest. A ring that would lose its area or its direction, or cross itself, takes half the
    tolerance, and half again until it stands. An object whose rings' IoU with the mask would be below 1 - 20 * epsilon
    (0.9 at 0.005) takes half the epsilon, and half again: a tolerance that is small for a ball is wider than a ski.

    "simpleseg-compat" gives `pe.geometry.simpleseg.mask_to_centre_rings` instead.

    Raises ValueError for an epsilon outside [0, 1).
    """
    if not 0.0 <= epsilon < 1.0:
        raise ValueError(f"epsilon is a fraction of a ring's perimeter in [0, 1), not {epsilon}")
    if orientation == "simpleseg-compat":
        return mask_to_centre_rings(mask, epsilon)
    window = mask_window(mask)
    if window is None:
        return []
    crop = mask[window]
    rings = _simplify(*_trace(crop), crop, epsilon)
    offset = (window[1].start, window[0].start)
    if orientation == "ccw":
        rings = [np.concatenate([ring[:1], ring[:0:-1]]) for ring in rings]
    return _split(np.concatenate(rings).astype(np.float64) + offset, [len(ring) for ring in rings])


def signed_area(ring: Ring) -> float:
    """Half the shoelace sum of an (N, 2) `ring` in square pixels: positive when it is clockwise on screen (y down)."""
    x, y = ring.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2.0


def _trace(crop: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The exact rings of a non-empty `crop`, in order: all their vertices, and how many each ring has.

    On the mask doubled in size the pixels of a contour lie on both sides of every pixel edge's end, and (c + 1) // 2 is
    that end.
    """
    doubled = cv2.resize(crop.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    points = (np.concatenate(contours)[:, 0].astype(np.int32) + 1) // 2
    ring = np.repeat(np.arange(len(contours)), [len(contour) for contour in contours])
    previous, _ = _neighbours(ring)
    keep = (points != points[previous]).any(axis=1)
    points, ring = points[keep], ring[keep]
    previous, following = _neighbours(ring)
    keep = _cross(points - points[previous], points[following] - points) != 0
    points, ring = points[keep], ring[keep]

    length = np.bincount(ring, minlength=len(contours))
    begin = np.cumsum(length) - length
    _, following = _neighbours(ring)
    area = np.add.reduceat(_cross(points, points[following]), begin)
    place = points[:, 1].astype(np.int64) * (2 * crop.shape[1]) + points[:, 0]
    lowest = np.minimum.reduceat(place, begin)
    at_lowest = np.flatnonzero(place == lowest[ring])
    head = at_lowest[np.searchsorted(at_lowest, begin)] - begin

    parent = hierarchy[0, :, 3]
    is_hole = parent >= 0
    step = np.where((area > 0) != is_hole, 1, -1)
    index = begin[ring] + (head[ring] + step[ring] * (np.arange(len(ring)) - begin[ring])) % length[ring]
    owner = np.where(is_hole, parent, np.arange(len(contours)))
    order = np.lexsort((lowest, is_hole, lowest[owner]))
    place_of = np.empty_like(order)
    place_of[order] = np.arange(len(order))
    return points[index][np.argsort(place_of[ring], kind="stable")], length[order]


def _neighbours(ring: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The indices of the vertices before and after each, cyclic within runs of equal `ring`."""
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    last = np.append(first[1:], len(ring)) - 1
    previous, following = np.arange(len(ring)) - 1, np.arange(len(ring)) + 1
    previous[first], following[last] = last, first
    return previous, following


def _cross(a: npt.NDArray[np.signedinteger], b: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.int64]:
    return a[:, 0].astype(np.int64) * b[:, 1] - a[:, 1].astype(np.int64) * b[:, 0]


def _split(points: npt.NDArray[_Number], lengths: list[int]) -> list[npt.NDArray[_Number]]:
    return [points[stop - length : stop] for length, stop in zip(lengths, accumulate(lengths), strict=True)]


def _simplify(
    points: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64], crop: Mask, epsilon: float
) -> list[npt.NDArray[np.int32]]:
    """The rings with `epsilon`, halved for the whole object until the IoU with `crop` is at least 1 - 20 * epsilon."""
    exact = _split(points, lengths.tolist())
    floor = 1.0 - FLOOR_SLOPE * epsilon
    previous, _ = _neighbours(np.repeat(np.arange(len(exact)), lengths))
    edges = np.abs(points - points[previous]).sum(axis=1)
    perimeters = np.add.reduceat(edges, np.cumsum(lengths) - lengths) * (lengths > 4)
    while epsilon * perimeters.max() >= _NEAREST:
        tolerances = (epsilon * perimeters).tolist()
        rings = [_reduce(ring, tolerance) for ring, tolerance in zip(exact, tolerances, strict=True)]
        if mask_iou(rings_to_mask(rings, *crop.shape), crop) >= floor:
            return rings
        epsilon /= 2.0
    return exact


def _reduce(ring: npt.NDArray[np.int32], tolerance: float) -> npt.NDArray[np.int32]:
    """`ring` within `tolerance` px, or within the largest half, quarter ... of it that leaves a ring of the same sense.

    A box stays as it is, and below 0.4 px no vertex of a pixel-edge ring can be left out.
    """
    while tolerance >= _NEAREST:
        reduced = cv2.approxPolyDP(ring[:, None], tolerance, True)[:, 0].astype(np.int32)
        if cv2.contourArea(reduced, True) * cv2.contourArea(ring, True) > 0 and not _crosses(reduced):
            top = np.flatnonzero(reduced[:, 1] == reduced[:, 1].min())
            first = int(top[reduced[top, 0].argmin()])
            return np.concatenate([reduced[first:], reduced[:first]])
        tolerance /= 2.0
    return ring


def _crosses(ring: npt.NDArray[np.int32]) -> bool:
    start = ring.astype(np.int64)
    return bool(edges_that_cross(start, np.roll(start, -1, axis=0)).any())


def edges_that_cross(start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the edges `start` -> `stop`, (N, 2) int64 both, cross another one at a point inside both: (N,) bool.

    Only edges whose x ranges overlap are compared.
    """
    low, high = np.minimum(start[:, 0], stop[:, 0]), np.maximum(start[:, 0], stop[:, 0])
    order = np.argsort(low, kind="stable")
    rivals = np.maximum(np.searchsorted(low[order], high[order]) - np.arange(len(order)) - 1, 0)
    one = np.repeat(np.arange(len(order)), rivals)
    other = order[one + 1 + np.arange(len(one)) - (np.cumsum(rivals) - rivals)[one]]
    one = order[one]
    a, b, c, d = start[one], stop[one], start[other], stop[other]
    apart = np.sign(_cross(b - a, c - a)) * np.sign(_cross(b - a, d - a)) < 0
    apart &= np.sign(_cross(d - c, a - c)) * np.sign(_cross(d - c, b - c)) < 0
    crossing = np.zeros(len(order), np.bool_)
    crossing[one[apart]] = crossing[other[apart]] = True
    return crossing
