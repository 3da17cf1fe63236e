"""Key points: the mean similarity and F1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.evaluation.metrics._oks import oks
from pe.geometry.matching import hungarian

__all__ = ["OksHungarian"]

_HIT = 0.5


class OksHungarian(SumMetric):
    """`OKS` is the mean over the truths that have a point to be seen, 0 for one that nothing was paired with.

    Truths without any such point are left out, and so are answers without a pair whose OKS to one of them is .50.
    """

    rule = "instances of one label, one to one with the largest sum of OKS"
    source: ClassVar[str] = "COCO's OKS (pycocotools) and its sigmas"
    kinds: ClassVar[tuple[Kind, ...]] = ("keypoints",)
    columns = ("answers", "truths", "oks", "hits50", "hits75")
    figures = ("OKS", "F1@.50", "F1@.75")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        values, known = oks(case)
        matrix = np.where(case.same, values, 0.0)
        pairs = hungarian(matrix[:, known], 0.0)
        excused = matrix[:, ~known].max(axis=1, initial=0.0) >= _HIT
        excused[[row for row, _ in pairs]] = False
        worth = [float(matrix[:, known][pair]) for pair in pairs]
        return {
            "answers": len(matrix) - int(excused.sum()),
            "truths": int(known.sum()),
            "oks": sum(worth),
            "hits50": sum(value >= _HIT for value in worth),
            "hits75": sum(value >= 0.75 for value in worth),
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        both = sums["answers"] + sums["truths"]
        return {
            "OKS": ratio(sums["oks"], sums["truths"]),
            "F1@.50": ratio(2 * sums["hits50"], both),
            "F1@.75": ratio(2 * sums["hits75"], both),
        }
