"""Responses that were cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import EVERY, Numbers, SumMetric, ratio

__all__ = ["Truncation"]


class Truncation(SumMetric):
    """Applies where the line says whether the limit of tokens cut the response."""

    rule = "the limit of tokens was reached"
    source: ClassVar[str] = "length clip ratio of V-Triune (arXiv 2505.18129)"
    kinds: ClassVar[tuple[Kind, ...]] = EVERY
    behaviour = True
    columns = ("responses", "cut")
    figures = ("truncated",)

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return case.line.truncated is not None

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        return {"responses": 1, "cut": bool(case.line.truncated)}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"truncated": ratio(sums["cut"], sums["responses"])}
