"""Precision, recall and F1 of hits over ten thresholds of overlap."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case
from pe.evaluation.metrics._base import IOUS, Numbers, SumMetric, ratio
from pe.geometry.matching import Overlaps, most_pairs


class OverlapF1(SumMetric):
    """Hits are pairs one to one, as many as there can be; sums over all pictures (micro), F1 = 2 hits / (N + M)."""

    source: ClassVar[str] = "F1@IoU of Rex-Omni (arXiv 2510.12798), the mean over .50:.05:.95; matched one to one"
    columns = ("answers", "truths", *(f"hits{iou}" for iou in IOUS))
    figures: ClassVar[tuple[str, ...]] = (
        *("precision@.50", "recall@.50", "F1@.50", "F1@.75", "F1@.95"),
        *("precision@mean", "recall@mean", "F1@mean"),
    )

    @abstractmethod
    def _overlaps(self, case: Case) -> Overlaps:
        """(N, M) of what may be paired."""

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        overlaps = self._overlaps(case)
        sums: dict[str, float] = {"answers": len(case.answer.objects), "truths": len(case.truth.objects)}
        # pairs that fit a higher threshold are among those that fit a lower one
        fitting, hits = -1, 0
        for iou in IOUS:
            now = int(np.count_nonzero(overlaps >= iou))
            if now != fitting:
                fitting, hits = now, len(most_pairs(overlaps, iou))
            sums[f"hits{iou}"] = hits
        return sums

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        answers, truths = sums["answers"], sums["truths"]
        hits = {iou: sums[f"hits{iou}"] for iou in IOUS}
        f1 = {iou: ratio(2 * value, answers + truths) for iou, value in hits.items()}
        mean = np.mean(list(hits.values()), axis=0)
        return {
            "precision@.50": ratio(hits[0.5], answers),
            "recall@.50": ratio(hits[0.5], truths),
            "F1@.50": f1[0.5],
            "F1@.75": f1[0.75],
            "F1@.95": f1[0.95],
            "precision@mean": ratio(mean, answers),
            "recall@mean": ratio(mean, truths),
            "F1@mean": np.mean(list(f1.values()), axis=0),
        }
