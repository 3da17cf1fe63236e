"""Who is whose: pairing predictions with truths by their overlap. Labels, rewards and evaluation all match here.

`hungarian` and `most_pairs` are one-to-one and best of all; the greedy ones are what published code does, by name.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
    worth = np.where((matrix >= threshold) & (matrix > 0), matrix + _TIE, 0.0)
    rows, columns = np.arange(worth.shape[0]), np.arange(worth.shape[1])
    pairs: list[tuple[int, int]] = []
    while worth.any():
        first, column = _sure(worth)
        pairs += zip(rows[first].tolist(), columns[column].tolist(), strict=True)
        if not len(first):
            # Few answers come here, and importing it takes as long as scoring a thousand.
            from scipy.optimize import linear_sum_assignment

            first, column = linear_sum_assignment(worth, maximize=True)
            chosen = worth[first, column] > 0
            pairs += zip(rows[first[chosen]].tolist(), columns[column[chosen]].tolist(), strict=True)
            break
        worth[first] = 0.0
        worth[:, column] = 0.0
        left, right = worth.any(axis=1), worth.any(axis=0)
        worth, rows, columns = worth[left][:, right], rows[left], columns[right]
    return sorted(pairs)


def _sure(worth: Overlaps) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the pairs that every best choice has: each is worth more than the two it would give up."""
    every = np.arange(worth.shape[0])
    column, row = worth.argmax(axis=1), worth.argmax(axis=0)
    mutual = every[row[column] == every]
    mine = column[mutual]
    best = worth[mutual, mine]
    rest = worth.copy()
    rest[mutual, mine] = 0.0
    sure = best > rest[mutual].max(axis=1) + rest[:, mine].max(axis=0)
    return mutual[sure], mine[sure]


def most_pairs(overlaps: npt.ArrayLike, threshold: float) -> list[tuple[int, int]]:
    """One-to-one pairs of overlap `threshold` and more, as many as there can be, by rising row.

    Of the choices of equally many the one of the largest sum of overlaps. More fitting pairs never make it fewer, which
    is not so of `hungarian`. Raises ValueError for NaN and infinity.
    """
    matrix = np.asarray(overlaps, np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError("an overlap is not a finite number")
    # every pair is worth more than all overlaps together
    fits = (matrix >= threshold) & (matrix > 0)
    return hungarian(np.where(fits, matrix + (matrix.max(initial=0.0) + 1.0) * sum(matrix.shape), 0.0), 0.0)


def greedy(
    overlaps: npt.ArrayLike,
    scores: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    crowd: npt.ArrayLike | None = None,
    ignored: npt.ArrayLike | None = None,
) -> npt.NDArray[np.int64]:
    """COCO's matching: the rows of `overlaps` (N, M), best of `scores` (N,) first, each take the best free column.

    Returns (T, N): the column of each row at each of the T `thresholds`, or -1. Of equal scores the earlier row is
    first, of equal overlaps the last column wins. Columns that are `crowd` (M,) bool are taken by rows that no other
    fits, and by any number of them; those that are `ignored` (M,) bool likewise, but by one row each. Follows
    evaluateImg of pycocotools' COCOeval.
    """
    limits, values = np.asarray(thresholds, np.float64), np.asarray(scores, np.float64)
    matrix = np.asarray(overlaps, np.float64)
    found = np.full((len(limits), len(values)), -1, np.int64)
    if not matrix.size or not found.size:
        return found
    limits = np.minimum(limits, 1 - 1e-10)
    regions, spare = (
        set() if columns is None else set(np.flatnonzero(np.asarray(columns, bool)).tolist())
        for columns in (crowd, ignored)
    )
    rows, columns = (matrix >= limits.min()).nonzero()
    wanted: dict[int, list[tuple[float, int]]] = {}
    for row, column, overlap in zip(rows.tolist(), columns.tolist(), matrix[rows, columns].tolist(), strict=True):
        wanted.setdefault(row, []).append((overlap, column))
    for candidates in wanted.values():
        if len(candidates) > 1:
            candidates.sort(reverse=True)
    order = [(row, wanted[row]) for row in np.argsort(-values, kind="stable").tolist() if row in wanted]
    for index, limit in enumerate(limits.tolist()):
        taken: set[int] = set()
        for row, candidates in order:
            region = -1
            for overlap, column in candidates:
                if overlap < limit:
                    break
                if column in regions or (column in spare and column not in taken):
                    region = column if region < 0 else region
                elif column not in taken and column not in spare:
                    taken.add(column)
                    found[index, row] = column
                    region = -1
                    break
            if region >= 0:
                taken.add(region)
                found[index, row] = region
    return found


def greedy_best_pair(overlaps: npt.ArrayLike, threshold: float) -> list[tuple[int, int]]:
    """Pairs (row, column), the largest overlap of all first, until none of `threshold` and more is left.

    Of equal overlaps the smaller row wins, then the smaller column. A pair without overlap counts at threshold 0.
    Follows detection_score of om-ai-lab/VLM-R1.
    """
    matrix = np.asarray(overlaps, np.float64)
    rows, columns = (matrix >= threshold).nonzero()
    order = np.lexsort((columns, rows, -matrix[rows, columns]))
    left: set[int] = set()
    right: set[int] = set()
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in left and column not in right:
            left.add(row)
            right.add(column)
            pairs.append((row, column))
    return pairs


def greedy_by_column(overlaps: npt.ArrayLike, threshold: float) -> list[tuple[int, int]]:
    """Pairs (row, column): the columns in their order each take the best row that is left, if it has `threshold`.

    Of equal overlaps the smaller row wins; a pair without any overlap is none. Follows
    greedy_match_by_iou_max_label_first of MiniMax-AI/One-RL-to-See-Them-All.
    """
    matrix = np.asarray(overlaps, np.float64)
    rows, columns = ((matrix >= threshold) & (matrix > 0)).nonzero()
    order = np.lexsort((rows, -matrix[rows, columns], columns))
    taken: set[int] = set()
    pairs = []
    served = -1
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if column != served and row not in taken:
            taken.add(row)
            pairs.append((row, column))
            served = column
    return pairs
