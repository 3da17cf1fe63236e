"""Referred masks: gIoU and cIoU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.spans import overlap, union

__all__ = ["RegionIouUnion"]


class RegionIouUnion(SumMetric):
    """gIoU is the mean of the IoUs, cIoU the sum of intersections over the sum of unions.

    A phrase that is not there is an IoU of 1 where nothing is drawn for it, else 0, as in gRefCOCO; it adds to cIoU
    what was drawn. A response that cannot be read is 0.
    """

    rule = "for each phrase the union of all that is drawn for it with the union of its truths"
    source: ClassVar[str] = "gIoU, cIoU of RES as SimpleSeg (arXiv 2601.19228); no targets as GRES (arXiv 2306.00968)"
    kinds: ClassVar[tuple[Kind, ...]] = ("masks",)
    columns = ("pairs", "iou", "common", "either")
    figures = ("gIoU", "cIoU")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        sums = dict.fromkeys(self.columns, 0.0)
        size = case.true_masks.size
        for label in case.asked:
            drawn = union([mask for name, mask in zip(case.taken_as, case.drawn, strict=True) if name == label], size)
            true = union(
                [mask for name, mask in zip(case.there, case.true_masks.spans, strict=True) if name == label], size
            )
            common = overlap(true, drawn)
            either = true.area + drawn.area - common
            sums["pairs"] += 1
            sums["iou"] += common / either if either else float(not case.unread)
            sums["common"] += common
            sums["either"] += either
        return sums

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {"gIoU": ratio(sums["iou"], sums["pairs"]), "cIoU": ratio(sums["common"], sums["either"])}
