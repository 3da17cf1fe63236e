"""Whether it is told what is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import OBJECTS, Numbers, SumMetric, ratio

__all__ = ["Rejection"]

_KINDS = {(True, True): "tp", (True, False): "fn", (False, True): "fp", (False, False): "tn"}


class Rejection(SumMetric):
    """`wrong rejection` is the share of phrases that are there and got no object, `hallucination` the share of those
    that are not there and got one. Responses that cannot be read are left out; `reading` counts them.
    """

    rule = "pairs of a picture and a phrase that was asked for; found is any object of that phrase, wherever it is"
    source: ClassVar[str] = "Rex-Omni (arXiv 2510.12798): wrong rejection, hallucination accuracy"
    kinds: ClassVar[tuple[Kind, ...]] = OBJECTS
    behaviour = True
    columns = ("tp", "fp", "fn", "tn")
    figures = ("wrong rejection", "hallucination")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return super().applies(case) and case.kind != "texts" and not case.unread

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        found, there = set(case.taken_as), set(case.there)
        counts = Counter(_KINDS[label in there, label in found] for label in case.asked)
        return {name: counts[name] for name in self.columns}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "wrong rejection": ratio(sums["fn"], sums["tp"] + sums["fn"]),
            "hallucination": ratio(sums["fp"], sums["fp"] + sums["tn"]),
        }
