"""Masks: how well their borders follow those of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.matching import hungarian
from pe.verifiers._borders import border_agreement

__all__ = ["BoundaryFHungarian"]


class BoundaryFHungarian(SumMetric):
    """Borders may be 0.8 % of the picture's diagonal apart."""

    rule = "masks of one label, one to one with the largest sum of IoU, pairs of IoU .50 and more"
    source: ClassVar[str] = "DAVIS's F (Perazzi et al. 2016, after Martin et al. 2004)"
    kinds: ClassVar[tuple[Kind, ...]] = ("masks",)
    columns = ("answers", "truths", "pairs", "boundary", "iou")
    figures = ("boundary F of pairs", "boundary F1", "mask IoU of pairs")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        pairs = hungarian(case.labelled, 0.5)
        agreement = border_agreement([(case.drawn[i], case.true_masks.spans[j]) for i, j in pairs])
        return {
            "answers": len(case.answer.objects),
            "truths": len(case.truth.objects),
            "pairs": len(pairs),
            "boundary": sum(agreement),
            "iou": sum(float(case.labelled[pair]) for pair in pairs),
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "boundary F of pairs": ratio(sums["boundary"], sums["pairs"]),
            "boundary F1": ratio(2 * sums["boundary"], sums["answers"] + sums["truths"]),
            "mask IoU of pairs": ratio(sums["iou"], sums["pairs"]),
        }
