"""Boxes that cover the whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.evaluation.metrics._duplicates import extent

__all__ = ["LargeBoxRatio"]

_LARGE = 0.95


class LargeBoxRatio(SumMetric):
    """`large boxes` is the share of objects, `answers with` the share of responses with any (what Rex-Omni counts)."""

    rule = "an object whose box covers more than 95 % of the picture"
    source: ClassVar[str] = "Rex-Omni (arXiv 2510.12798), behaviour study"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes", "masks", "keypoints", "texts")
    behaviour = True
    columns = ("responses", "objects", "large", "with")
    figures = ("large boxes", "answers with")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        width, height = case.image
        boxes = [box for box in map(extent, case.answer.objects) if box is not None]
        large = sum((x1 - x0) * (y1 - y0) > _LARGE * width * height for x0, y0, x1, y1 in boxes)
        return {"responses": 1, "objects": len(case.answer.objects), "large": large, "with": large > 0}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "large boxes": ratio(sums["large"], sums["objects"]),
            "answers with": ratio(sums["with"], sums["responses"]),
        }
