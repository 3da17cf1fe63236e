"""Key points: similarity as Rex-Omni's evaluation computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.matching import hungarian
from pe.verifiers._labels import label
from pe.verifiers._truth import Target

__all__ = ["RexomniOksCompat"]

_SIGMA = 0.025


class RexomniOksCompat(SumMetric):
    """One sigma for all points, and only the points that both have: one good point is as good as all of them."""

    rule = "instances of one label, one to one with the largest sum of OKS; a point that is missing costs nothing"
    source: ClassVar[str] = "IDEA-Research/Rex-Omni evaluation, OKS with sigma 0.025; the pairing is ours"
    kinds: ClassVar[tuple[Kind, ...]] = ("keypoints",)
    columns = ("truths", "oks")
    figures = ("OKS",)

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        matrix = np.array(
            [[similarity(item.keypoints or {}, true) for true in case.truth.objects] for item in case.answer.objects]
        ).reshape(len(case.answer.objects), len(case.truth.objects))
        matrix[~case.same] = 0.0
        total = sum(float(matrix[pair]) for pair in hungarian(matrix, 0.0))
        return {"truths": len(case.truth.objects), "oks": total}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"OKS": ratio(sums["oks"], sums["truths"])}


def similarity(points: Mapping[str, tuple[float, float] | None], truth: Target) -> float:
    """Rex-Omni's OKS of the `points` of one instance: the mean over the points that both have; 0 without any."""
    x0, y0, x1, y1 = truth.bbox or (0.0, 0.0, 0.0, 0.0)
    scale = 2 * (x1 - x0) * (y1 - y0) * (2 * _SIGMA) ** 2
    there = {label(name.replace("_", " ")): place for name, place in (truth.keypoints or {}).items() if place}
    given = {label(name.replace("_", " ")): place for name, place in points.items() if place}
    both = [(given[name], place) for name, place in there.items() if name in given]
    if not both or scale <= 0:
        return 0.0
    return float(np.mean([np.exp(-((x - u) ** 2 + (y - v) ** 2) / scale) for (x, y), (u, v) in both]))
