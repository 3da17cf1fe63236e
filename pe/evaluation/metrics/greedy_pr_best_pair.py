"""Boxes: VLM-R1's greedy precision and recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.matching import greedy_best_pair

__all__ = ["GreedyPrBestPair"]


class GreedyPrBestPair(SumMetric):
    """Sums over all pictures."""

    rule = "boxes of one label, the pair of the largest IoU first, until none of .50 and more is left"
    source: ClassVar[str] = "Greedy precision and recall of VLM-R1 (arXiv 2504.07615); sums over pictures are ours"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)
    columns = ("answers", "truths", "hits")
    figures = ("precision@.50", "recall@.50")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        hits = len(greedy_best_pair(case.labelled, 0.5))
        return {"answers": len(case.answer.objects), "truths": len(case.truth.objects), "hits": hits}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "precision@.50": ratio(sums["hits"], sums["answers"]),
            "recall@.50": ratio(sums["hits"], sums["truths"]),
        }
