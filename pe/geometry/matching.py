"""Who is whose: pairing predictions with truths by their overlap. Labels, rewards and evaluation all match here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Overlaps = npt.NDArray[np.float64]

_TIE = 1e-9


def hungarian(overlaps: npt.ArrayLike, threshold: float) -> list[tuple[int, int]]:
    """One-to-one pairs (row, column) of `overlaps` (N, M) whose sum of overlaps is the largest there is, by rising row.

    A pair below `threshold`, or without any overlap, is none and stands in no other's way. Of equal sums the one of
    more pairs wins, and what is equal still falls the same way at every call. Kuhn 1955, as scipy solves it. Raises
    ValueError for NaN and infinity.
    """
    matrix = np.asarray(overlaps, np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError("an overlap is not a finite number")
    if not matrix.size:
        return []
    fits = (matrix >= threshold) & (matrix > 0)
    rows, columns = linear_sum_assignment(np.where(fits, matrix + _TIE, 0.0), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if fits[i, j]]


def greedy(
    overlaps: npt.ArrayLike, scores: npt.ArrayLike, thresholds: npt.ArrayLike, crowd: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """COCO's matching: the rows of `overlaps` (N, M), best of `scores` (N,) first, each take the best free column.

    Returns (T, N): the column of each row at each of the T `thresholds`, or -1. Of equal scores the earlier row is
    first, of equal overlaps the last column wins. Columns that are `crowd` (M,) bool are taken by rows that no other
    fits, and by any number of them. Follows evaluateImg of pycocotools' COCOeval.
    """
    limits, values = np.asarray(thresholds, np.float64), np.asarray(scores, np.float64)
    matrix = np.asarray(overlaps, np.float64)
    regions = np.zeros(matrix.shape[1], bool) if crowd is None else np.asarray(crowd, bool)
    found = np.full((len(limits), len(values)), -1, np.int64)
    limit = np.minimum(limits, 1 - 1e-10)[:, None]
    free = np.ones((len(limits), matrix.shape[1]), bool)
    every = np.arange(len(limits))
    for row in np.argsort(-values, kind="stable") if matrix.size else ():
        fits = matrix[row] >= limit
        real = fits & free & ~regions
        allowed = np.where(real.any(axis=1, keepdims=True), real, fits & regions)
        best = np.where(allowed, matrix[row], -1.0)
        column = best.shape[1] - 1 - best[:, ::-1].argmax(axis=1)
        found[:, row] = np.where(allowed.any(axis=1), column, -1)
        free[every[real.any(axis=1)], column[real.any(axis=1)]] = False
    return found
