"""Average precision of one image: COCO's by the letter, and one that takes what is scored alike together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from pe.geometry.matching import Overlaps, greedy, most_pairs

COCO = tuple(np.linspace(0.5, 0.95, 10).tolist())
MOST = 100
"""Answers of one label that count, best score first."""

_RECALLS = np.linspace(0, 1, 101)


def coco_average_precision(
    matrix: Overlaps, scores: Sequence[float], ids: Sequence[int], truths: Sequence[int], thresholds: Sequence[float]
) -> float:
    """COCOeval's mean over `thresholds` and labels, for one image without crowds; COCO's AP for `COCO`.

    `matrix` (N, M) is the IoU of answers and truths, 0 where labels differ; `ids` and `truths` are their labels.
    Answers whose label no truth has do not count; of equal scores the earlier answer is first; 100 a label count.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable").tolist()
    rows = {name: [row for row in order if ids[row] == name][:MOST] for name in dict.fromkeys(truths)}
    counted = sorted(row for some in rows.values() for row in some)
    place = {row: index for index, row in enumerate(counted)}
    found = greedy(matrix[counted], [scores[row] for row in counted], thresholds).tolist()
    total = 0.0
    for name, some in rows.items():
        places = [place[row] for row in some]
        for columns in found:
            precisions: list[float] = []
            for rank, index in enumerate(places, 1):
                if columns[index] >= 0:
                    precisions.append((len(precisions) + 1) / rank)
            total += _area(precisions, truths.count(name))
    return total / (len(rows) * len(found))


def average_precision(
    matrix: Overlaps, scores: Sequence[float], ids: Sequence[int], truths: Sequence[int], thresholds: Sequence[float]
) -> float:
    """As `coco_average_precision`, but the order of answers is free and every wrong one counts.

    Answers of equal score are matched together, as many as there can be, and precision is taken after all of them. A
    label that no truth has counts with an average precision of 0; `ids` names each of them by its own number.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable").tolist()
    groups = [list(group) for _, group in groupby(order, key=lambda row: scores[row])]
    names = dict.fromkeys(truths)
    total = 0.0
    last, fitting = 0.0, -1
    for threshold in thresholds:
        now = int(np.count_nonzero((matrix >= threshold) & (matrix > 0)))
        if now != fitting:
            # the pairs that fit a higher threshold are among those that fit a lower one
            hit = _matched(matrix, groups, threshold)
            last, fitting = sum(_area(_precisions(groups, hit, ids, name), truths.count(name)) for name in names), now
        total += last
    return total / (len(names | dict.fromkeys(ids)) * len(thresholds))


def _matched(matrix: Overlaps, groups: Iterable[list[int]], threshold: float) -> set[int]:
    """The rows that hit, each group after the other taking what is left."""
    hit: set[int] = set()
    free = np.arange(matrix.shape[1])
    for group in groups:
        pairs = most_pairs(matrix[group][:, free], threshold)
        hit.update(group[row] for row, _ in pairs)
        free = np.delete(free, [column for _, column in pairs])
    return hit


def _precisions(groups: Iterable[list[int]], hit: set[int], ids: Sequence[int], name: int) -> list[float]:
    """The precision at each hit of a label: what it is after all of its group."""
    precisions: list[float] = []
    answers = 0
    for group in groups:
        mine = [row for row in group if ids[row] == name]
        answers += len(mine)
        hits = sum(row in hit for row in mine)
        precisions += [(len(precisions) + hits) / answers] * hits if hits else []
    return precisions


def _area(precisions: list[float], truths: int) -> float:
    """The mean over 101 recalls of the best precision at that recall and above; `precisions` has one a hit."""
    best = total = 0.0
    for reached, precision in zip(reversed(_steps(truths)[: len(precisions)]), reversed(precisions), strict=True):
        best = max(best, precision)
        total += reached * best
    return total / len(_RECALLS)


@lru_cache(maxsize=1024)
def _steps(truths: int) -> tuple[int, ...]:
    """How many of the 101 recalls are first reached by the 1st, 2nd, ... hit of `truths`."""
    reached = np.searchsorted(_RECALLS, np.arange(1, truths + 1) / truths, side="right")
    return tuple(np.diff(reached, prepend=0).tolist())
