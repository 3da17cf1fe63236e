"""How far off the number of things is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import OBJECTS, Numbers, SumMetric, ratio
from pe.verifiers.count import last_number

__all__ = ["CountError"]


class CountError(SumMetric):
    """`MAE` is the mean of |answered - there|, `exact` the share without any difference, `bias` the mean difference.

    An answer that cannot be read has counted none. Where a number is asked for, it is the last one in the text.
    """

    rule = "the number of objects of each phrase that was asked for, wherever they are, or the number in the text"
    source: ClassVar[str] = "CountBench (arXiv 2302.12066); Rex-Omni's count error"
    kinds: ClassVar[tuple[Kind, ...]] = (*OBJECTS, "count")
    columns = ("pairs", "error", "exact", "bias")
    figures = ("MAE", "exact", "bias")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return super().applies(case) and case.kind not in ("texts", "click")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        differences = self._differences(case)
        return {
            "pairs": len(differences),
            "error": sum(map(abs, differences)),
            "exact": 0 if case.unread and case.kind != "count" else differences.count(0),
            "bias": sum(differences),
        }

    @staticmethod
    def _differences(case: Case) -> list[int]:
        number = case.truth.count
        if case.kind == "count" and getattr(case.verifier.parameters, "by", "objects") == "text":
            if number is None:
                written = last_number(case.truth.written) if case.truth.written else None
                number = len(case.truth.objects) if written is None else written
            return [(last_number(case.answer.text) or 0) - number]
        if number is not None:
            return [len(case.answer.objects) - number]
        found, there = Counter(case.taken_as), Counter(case.there)
        return [found[label] - there[label] for label in case.asked]

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "MAE": ratio(sums["error"], sums["pairs"]),
            "exact": ratio(sums["exact"], sums["pairs"]),
            "bias": ratio(sums["bias"], sums["pairs"]),
        }
