"""Boxes: (N, 4) float arrays of x0, y0, x1, y1 in edge coordinates; a box covers [x0, x1) x [y0, y1)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]


def from_xywh(boxes: npt.ArrayLike) -> Boxes:
    """(N, 4) boxes of x, y, width, height as x0, y0, x1, y1."""
    array = as_boxes(boxes)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], axis=1)


def to_xywh(boxes: npt.ArrayLike) -> Boxes:
    """(N, 4) boxes of x0, y0, x1, y1 as x, y, width, height."""
    array = as_boxes(boxes)
    return np.concatenate([array[:, :2], array[:, 2:] - array[:, :2]], axis=1)


def clip(boxes: npt.ArrayLike, height: int, width: int) -> Boxes:
    """`boxes` cut to the image; one that lies outside is left without area on the border."""
    return np.clip(as_boxes(boxes), 0.0, (width, height, width, height))


def area(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(N,) areas in square pixels; 0 for a box whose corners are swapped."""
    x0, y0, x1, y1 = as_boxes(boxes).T
    return np.asarray(np.maximum(x1 - x0, 0.0) * np.maximum(y1 - y0, 0.0))


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(N, M) intersection over union of (N, 4) and (M, 4) boxes; 0 where neither has an area."""
    first, second = as_boxes(a), as_boxes(b)
    columns = first.T[:, :, None]
    common = np.minimum(columns[2], second[:, 2])
    common -= np.maximum(columns[0], second[:, 0])
    high = np.minimum(columns[3], second[:, 3])
    high -= np.maximum(columns[1], second[:, 1])
    common = np.maximum(common, 0.0, out=common)
    common *= np.maximum(high, 0.0, out=high)
    union = np.add(area(first)[:, None], area(second), out=high)
    union -= common
    ratio: npt.NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ratio


def nms(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, labels: Sequence[Hashable], threshold: float
) -> npt.NDArray[np.int64]:
    """Indices of the boxes that greedy suppression keeps, best score first, the earlier index where scores are equal.

    A box is dropped when its IoU with a kept box of the same label is above `threshold`. Raises ValueError when the
    three lengths differ or a score is NaN.
    """
    array, score = as_boxes(boxes), np.asarray(scores, np.float64)
    if score.shape != (len(array),) or len(labels) != len(array):
        raise ValueError(f"{len(array)} boxes, {score.size} scores and {len(labels)} labels")
    if np.isnan(score).any():
        raise ValueError("a score is not a number")
    known: dict[Hashable, int] = {}
    group = np.array([known.setdefault(label, len(known)) for label in labels], np.int64)
    rest = np.argsort(-score, kind="stable")
    kept = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        overlap = iou(array[best], array[rest])[0]
        rest = rest[(overlap <= threshold) | (group[rest] != group[best])]
    return np.array(kept, np.int64)


def as_boxes(boxes: npt.ArrayLike) -> Boxes:
    """`boxes` as an (N, 4) float64 array; one box and an empty list are taken too. Raises ValueError otherwise."""
    array = np.asarray(boxes, np.float64)
    if array.size % 4 or (array.size and array.shape[-1] != 4) or array.ndim > 2:
        raise ValueError(f"boxes are rows of 4 numbers, not an array of shape {array.shape}")
    return array.reshape(-1, 4)
