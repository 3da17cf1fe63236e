"""Samples in which nothing is there that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import OBJECTS, Numbers, SumMetric, ratio

__all__ = ["NoTargetAccuracy"]


class NoTargetAccuracy(SumMetric):
    """`no-target` is the share of samples without any truth that got no object, `target` the share of the others that
    got some. What cannot be read is wrong.
    """

    rule = "an answer with any object, whatever its label, or with none; of whole samples"
    source: ClassVar[str] = "N-acc and T-acc of GRES (arXiv 2306.00968)"
    kinds: ClassVar[tuple[Kind, ...]] = OBJECTS
    columns = ("without", "silent", "with", "said")
    figures = ("no-target", "target")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return super().applies(case) and case.kind != "texts"

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        some, there = bool(case.answer.objects), bool(case.truth.objects)
        return {
            "without": not there,
            "silent": not there and not some and not case.unread,
            "with": there,
            "said": there and some,
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"no-target": ratio(sums["silent"], sums["without"]), "target": ratio(sums["said"], sums["with"])}
