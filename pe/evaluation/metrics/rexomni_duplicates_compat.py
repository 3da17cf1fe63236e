"""Boxes: duplicates and the count's error as Rex-Omni's evaluation computes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.boxes import iou

__all__ = ["RexomniDuplicatesCompat"]

_SAME = 0.9


class RexomniDuplicatesCompat(SumMetric):
    """Means over responses; four copies of a box are a ratio of 1.5."""

    rule = "pairs of boxes of IoU above .90, whatever their labels, over the number of boxes"
    source: ClassVar[str] = "IDEA-Research/Rex-Omni evaluation/metrics/other_metric.py calculate_visual_prompt_metrics"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)
    columns = ("responses", "ratio", "error")
    figures = ("duplicate ratio", "MAE")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        count = len(case.answer.objects)
        pairs = int(np.triu(iou(case.boxes, case.boxes) > _SAME, 1).sum())
        return {
            "responses": 1,
            "ratio": pairs / count if count else 0.0,
            "error": abs(count - len(case.truth.objects)),
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "duplicate ratio": ratio(sums["ratio"], sums["responses"]),
            "MAE": ratio(sums["error"], sums["responses"]),
        }
