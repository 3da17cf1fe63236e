"""Who is whose: pairing predictions with truths by their overlap. Labels, rewards and evaluation all match here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Overlaps = npt.NDArray[np.float64]


def hungarian(overlaps: npt.ArrayLike, threshold: float = 0.5) -> list[tuple[int, int]]:
    """One-to-one pairs (row, column) of `overlaps` (N, M) in 0..1 that reach `threshold`, by rising row.

    As many pairs as can be, and of those choices the one with the largest sum of overlaps; a pair below the threshold
    is none and stands in no other's way. Equal choices fall the same way at every call.
    """
    matrix = np.asarray(overlaps, np.float64)
    if not matrix.size:
        return []
    fits = (matrix >= threshold) & (matrix > 0)
    # One pair more outweighs all that overlaps can add up to.
    gain = np.where(fits, matrix + min(matrix.shape) + 1, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if fits[i, j]]


def greedy(
    overlaps: npt.ArrayLike, thresholds: npt.ArrayLike, crowd: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """COCO's matching: rows of `overlaps` (N, M), best score first, each take the best column that is still free.

    Returns (T, N): the column of each row at each of the T `thresholds`, or -1. Columns that are `crowd` (M,) bool are
    taken only when no other fits, and by any number of rows. Of equal columns the last wins, as in pycocotools'
    COCOeval.evaluateImg, which this follows.
    """
    matrix = np.asarray(overlaps, np.float64)
    limits = np.asarray(thresholds, np.float64)
    ignored = np.zeros(matrix.shape[1], bool) if crowd is None else np.asarray(crowd, bool)
    order = np.argsort(ignored, kind="stable")
    found = np.full((len(limits), len(matrix)), -1, np.int64)
    for t, limit in enumerate(limits):
        taken = np.zeros(len(ignored), bool)
        for row, values in enumerate(matrix):
            best, match = min(float(limit), 1 - 1e-10), -1
            for column in order:
                if taken[column] and not ignored[column]:
                    continue
                if match >= 0 and not ignored[match] and ignored[column]:
                    break
                if values[column] >= best:
                    best, match = float(values[column]), int(column)
            if match >= 0:
                taken[match] = True
                found[t, row] = match
    return found
