"""Screens: one click on the element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.verifiers import Call

__all__ = ["ClickAccuracy"]


class ClickAccuracy(SumMetric):
    """The verifier gui as a figure: several answers are none, and silence is right where there is no element."""

    rule = "the one point, or the centre of the one box, lies in the element's box, with its border"
    source: ClassVar[str] = "ScreenSpot's rule, with one click only"
    kinds: ClassVar[tuple[Kind, ...]] = ("click",)
    columns = ("responses", "right")
    figures = ("accuracy",)

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        call = Call(case.line.response, case.image)
        right = case.verifier.judge(case.answer, case.verifier.prepare(case.truth, call), call)["accuracy"]
        return {"responses": 1.0, "right": right}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"accuracy": ratio(sums["right"], sums["responses"])}
