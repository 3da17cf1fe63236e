"""Referring: whether the one box that was asked for is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.evaluation.metrics._duplicates import extent
from pe.geometry.boxes import iou

__all__ = ["RecAccuracy"]

_LIMITS = (0.1, 0.3, 0.5, 0.75, 0.95)
_ABILITIES = ("referring", "grounding", "visual-prompt", "segmentation")


class RecAccuracy(SumMetric):
    """The share of responses whose first object has enough IoU, and whose centre lies in the true box.

    An outline stands for its box, as in SimpleSeg (arXiv 2601.19228). Applies to questions about one object, of tasks
    that ask for one; detection that happens to have one object is not among them.
    """

    rule = "the answer's first object, by its box, with the one truth, whatever its label; IoU at and above the limit"
    source: ClassVar[str] = "RefCOCO's Acc@0.5; the other limits and the centre as Perception-R1 (arXiv 2504.07954)"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes", "masks")
    columns = ("responses", "centre", *(f"hits{limit}" for limit in _LIMITS))
    figures = (*(f"Acc@{f'{limit:.2f}'[1:]}" for limit in _LIMITS), "centre")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return super().applies(case) and len(case.truth.objects) == 1 and case.ability in _ABILITIES

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        sums = dict.fromkeys(self.columns, 0.0) | {"responses": 1.0}
        first = extent(case.answer.objects[0]) if case.answer.objects else None
        if first is not None:
            target = case.truth.objects[0]
            true = target.bbox or tuple(map(float, case.true_masks.spans[0].box()))
            overlap = float(iou(first, true)[0, 0])
            sums |= {f"hits{limit}": overlap >= limit for limit in _LIMITS}
            x, y = (first[0] + first[2]) / 2, (first[1] + first[3]) / 2
            sums["centre"] = true[0] <= x <= true[2] and true[1] <= y <= true[3]
        return sums

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        names = (*(f"hits{limit}" for limit in _LIMITS), "centre")
        return {figure: ratio(sums[name], sums["responses"]) for figure, name in zip(self.figures, names, strict=True)}
