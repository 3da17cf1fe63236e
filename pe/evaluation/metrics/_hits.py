"""Precision, recall and F1 of hits that are hits or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio


class Hits(SumMetric):
    """Sums over all pictures (micro), F1 = 2 hits / (N + M)."""

    columns = ("answers", "truths", "hits")
    figures: ClassVar[tuple[str, ...]] = ("precision", "recall", "F1")

    @abstractmethod
    def _hits(self, case: Case) -> int: ...

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        answers, truths = len(case.answer.objects), len(case.truth.objects)
        return {"answers": answers, "truths": truths, "hits": self._hits(case) if answers and truths else 0}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        answers, truths, hits = (sums[name] for name in self.columns)
        return {
            "precision": ratio(hits, answers),
            "recall": ratio(hits, truths),
            "F1": ratio(2 * hits, answers + truths),
        }
