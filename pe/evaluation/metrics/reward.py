"""The samples' own scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import EVERY, Numbers, SumMetric, ratio

__all__ = ["Reward"]


class Reward(SumMetric):
    """Applies where the score is not missing."""

    rule = "the sample's own verifiers and weights, at the end of their schedules"
    source: ClassVar[str] = "docs/rewards.md"
    kinds: ClassVar[tuple[Kind, ...]] = EVERY
    columns = ("responses", "score")
    figures = ("score",)

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return case.scored is not None

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        return {"responses": 1, "score": case.scored or 0.0}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"score": ratio(sums["score"], sums["responses"])}
