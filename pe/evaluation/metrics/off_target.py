"""Boxes on nothing that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.boxes import as_boxes, iou

__all__ = ["OffTarget"]

_ON = 0.5
_NEAR = 0.1


class OffTarget(SumMetric):
    """`off-target` is the share of objects, `a response` how many an answer has: what a model does that hedges.

    `far` is the share of objects of IoU below .10. `on others` is the share of off-target boxes that lie on something
    else in the picture, known only where the record tells what else is there, or --scenes does.
    """

    rule = "an object of IoU below .50 with every truth, whatever the labels; on another thing from IoU .50 on"
    source: ClassVar[str] = "ours; for models that learn where things are and not which (see docs)"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes", "masks")
    behaviour = True
    columns = ("responses", "objects", "off", "far", "known", "others")
    figures = ("off-target", "a response", "far", "on others")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        best = case.overlaps.max(axis=1, initial=0.0)
        off = best < _ON
        sums = dict.fromkeys(self.columns, 0.0)
        sums |= {"responses": 1, "objects": len(best), "off": int(off.sum()), "far": int((best < _NEAR).sum())}
        if case.others is not None and case.kind == "boxes":
            there = iou(case.boxes[off], as_boxes(case.others)).max(axis=1, initial=0.0)
            sums |= {"known": int(off.sum()), "others": int((there >= _ON).sum())}
        return sums

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "off-target": ratio(sums["off"], sums["objects"]),
            "a response": ratio(sums["off"], sums["responses"]),
            "far": ratio(sums["far"], sums["objects"]),
            "on others": ratio(sums["others"], sums["known"]),
        }
