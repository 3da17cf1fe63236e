"""How many objects an answer has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import OBJECTS, Numbers, SumMetric, ratio

__all__ = ["ObjectsAResponse"]


class ObjectsAResponse(SumMetric):
    """Beside the number of those that are there."""

    rule = "every object of an answer counts, right or wrong"
    source: ClassVar[str] = "boxes an image, as monitors of the five systems ask for"
    kinds: ClassVar[tuple[Kind, ...]] = OBJECTS
    behaviour = True
    columns = ("responses", "objects", "truths")
    figures = ("objects", "truths")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        return {"responses": 1, "objects": len(case.answer.objects), "truths": len(case.truth.objects)}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {name: ratio(sums[name], sums["responses"]) for name in self.figures}
