"""Points: precision and recall as Rex-Omni's evaluation computes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, harmonic, ratio
from pe.verifiers._rexomni import greedy_hits

__all__ = ["RexomniPointingCompat"]


class RexomniPointingCompat(SumMetric):
    """Recall and precision of every response, their means, and F1 of the means; nothing there, nothing said is 1."""

    rule = "points cut to whole pixels; the masks in their order each take the first free point on them, of one label"
    source: ClassVar[str] = "IDEA-Research/Rex-Omni evaluation/metrics/other_metric.py calculate_pointing_metrics"
    kinds: ClassVar[tuple[Kind, ...]] = ("points",)
    columns = ("responses", "recall", "precision")
    figures = ("precision", "recall", "F1")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return super().applies(case) and all(item.mask or item.rings for item in case.truth.objects)

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        answers, truths = len(case.answer.objects), len(case.truth.objects)
        if not answers or not truths:
            both = float(not answers and not truths)
            return {"responses": 1.0, "recall": both, "precision": both}
        width, height = case.image
        points = np.array([item.point or (-1.0, -1.0) for item in case.answer.objects])
        # int() cuts towards 0, so that what is less than a pixel outside is on the first one
        inside_far_borders = (points[:, 0] < width) & (points[:, 1] < height)
        cut = np.where(inside_far_borders[:, None], np.trunc(points), -1.0)
        inside = np.stack([mask.holds(cut) for mask in case.true_masks.spans], axis=0)
        hits = greedy_hits(inside & case.same.T)
        return {"responses": 1.0, "recall": hits / truths, "precision": hits / answers}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        precision, recall = (ratio(sums[name], sums["responses"]) for name in ("precision", "recall"))
        return {"precision": precision, "recall": recall, "F1": harmonic(precision, recall)}
