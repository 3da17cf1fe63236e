"""Whether responses can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import EVERY, OBJECTS, Numbers, SumMetric, ratio

__all__ = ["Reading"]


class Reading(SumMetric):
    """`unparsable` holds no answer, of `mended` something had to be repaired, of `cut` the end is missing."""

    rule = "by the sample's own answer format"
    source: ClassVar[str] = "states of a decoded answer (docs/answer_formats.md)"
    kinds: ClassVar[tuple[Kind, ...]] = EVERY
    behaviour = True
    columns = ("responses", "unread", "repaired", "truncated")
    figures = ("unparsable", "mended", "cut")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        status = case.answer.status
        unread = case.unread if case.kind in OBJECTS else status == "unparsable"
        return {
            "responses": 1,
            "unread": unread,
            "repaired": status == "repaired" and not unread,
            "truncated": status == "truncated" and not unread,
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        unread, repaired, truncated = (ratio(sums[name], sums["responses"]) for name in self.columns[1:])
        return {"unparsable": unread, "mended": repaired, "cut": truncated}
