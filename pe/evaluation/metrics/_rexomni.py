"""What the figures share that follow Rex-Omni's evaluation code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pe.evaluation.case import Case
from pe.geometry.matching import Overlaps, greedy_by_column

_MOST = 1000


def recall_precision(case: Case, thresholds: Sequence[float]) -> list[tuple[float, float]]:
    """Recall and precision of one response at each of `thresholds`, as calculate_detection_metrics gives them."""
    answers, truths = len(case.answer.objects), len(case.truth.objects)
    if not truths and not case.truth.phrases:
        return [(0.0, 0.0) if answers else (1.0, 1.0)] * len(thresholds)
    if not answers or not truths:
        return [(0.0, 0.0)] * len(thresholds)
    rows = [row for name in case.asked for row, label in enumerate(case.found) if label == name]
    columns = [column for name in case.asked for column, label in enumerate(case.there) if label == name]
    overlaps = _overlaps(case)[rows][:, columns]
    hits = [len(greedy_by_column(overlaps, threshold)) for threshold in thresholds]
    return [(hit / truths, hit / answers) for hit in hits]


def _overlaps(case: Case) -> Overlaps:
    """IoU; of outlines 0 where one crosses or touches itself, which shapely calls invalid."""
    if case.kind != "masks":
        return case.box_overlaps
    overlaps = case.mask_overlaps.copy()
    overlaps[[any(map(crosses_itself, item.rings or ())) for item in case.answer.objects]] = 0.0
    overlaps[:, [any(map(crosses_itself, item.rings or ())) for item in case.truth.objects]] = 0.0
    return overlaps


def crosses_itself(ring: Sequence[float]) -> bool:
    """Whether two edges of a flat x, y, ... `ring` that are no neighbours meet; not looked at beyond 1,000 vertices."""
    points = np.asarray(ring, np.float64).reshape(-1, 2)
    count = len(points)
    if count > _MOST:
        return False
    start, stop = points, np.roll(points, -1, axis=0)
    first, second = np.triu_indices(count, 2)
    apart = (first != 0) | (second != count - 1)
    first, second = first[apart], second[apart]
    a, b, c, d = start[first], stop[first], start[second], stop[second]
    near = (np.minimum(a, b) <= np.maximum(c, d)).all(axis=1) & (np.minimum(c, d) <= np.maximum(a, b)).all(axis=1)
    between = (_side(a, b, c) * _side(a, b, d) <= 0) & (_side(c, d, a) * _side(c, d, b) <= 0)
    return bool((near & between).any())


def _side(a: Overlaps, b: Overlaps, c: Overlaps) -> Overlaps:
    """On which side of the lines from `a` to `b` the points `c` are: -1, 0 or 1."""
    one, two = b - a, c - a
    side: Overlaps = np.sign(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    return side
