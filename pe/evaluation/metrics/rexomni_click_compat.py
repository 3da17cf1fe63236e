"""Screens: accuracy as Rex-Omni's evaluation computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.verifiers._pairing import places

__all__ = ["RexomniClickCompat"]


class RexomniClickCompat(SumMetric):
    """A model that clicks everywhere is always right; labels do not matter."""

    rule = "any point, or the centre of any box, lies in the element's box, with its border"
    source: ClassVar[str] = "IDEA-Research/Rex-Omni evaluation/metrics/other_metric.py calculate_gui_metrics"
    kinds: ClassVar[tuple[Kind, ...]] = ("click",)
    columns = ("responses", "right")
    figures = ("accuracy",)

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        right = False
        if case.truth.objects:
            (x0, y0, x1, y1), points = case.true_boxes[0], places(case.answer, centres=True)
            low, high = (min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))
            right = bool(((points >= low) & (points <= high)).all(axis=1).any())
        return {"responses": 1.0, "right": float(right)}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"accuracy": ratio(sums["right"], sums["responses"])}
