"""Boxes and outlines: precision and recall as Rex-Omni's evaluation computes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import IOUS, Numbers, SumMetric, harmonic, ratio
from pe.evaluation.metrics._rexomni import recall_precision

__all__ = ["RexomniF1Compat"]


class RexomniF1Compat(SumMetric):
    """Recall and precision of every response, their means, and F1 of the means.

    Labels that were not asked for only make the precision smaller; a swapped label costs nothing. Nothing there and
    nothing said is 1 where no phrase was asked for, and 0 where one was. Outlines are drawn by pe's rasteriser, where
    the original intersects polygons; one that crosses itself matches nothing.
    """

    rule = "labels flattened; the truths in their order each take the best free answer of a label that was asked for"
    source: ClassVar[str] = "IDEA-Research/Rex-Omni evaluation/metrics/other_metric.py calculate_detection_metrics"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes", "masks")
    columns = ("responses", *(f"recall{iou}" for iou in IOUS), *(f"precision{iou}" for iou in IOUS))
    figures = ("precision@.50", "recall@.50", "F1@.50", "F1@.95", "F1@mean")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        sums = {"responses": 1.0}
        for iou, (recall, precision) in zip(IOUS, recall_precision(case, IOUS), strict=True):
            sums |= {f"recall{iou}": recall, f"precision{iou}": precision}
        return sums

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        recall, precision = (
            {iou: ratio(sums[f"{name}{iou}"], sums["responses"]) for iou in IOUS} for name in ("recall", "precision")
        )
        f1 = {iou: harmonic(recall[iou], precision[iou]) for iou in IOUS}
        return {
            "precision@.50": precision[0.5],
            "recall@.50": recall[0.5],
            "F1@.50": f1[0.5],
            "F1@.95": f1[0.95],
            "F1@mean": np.mean(list(f1.values()), axis=0),
        }
