"""Boxes: OVDEval's NMS-AP as its code computes it."""

from __future__ import annotations

from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._dataset_ap import DatasetAp
from pe.geometry.matching import Overlaps
from pe.verifiers.nms_ap_compat import kept_by_ovdeval

__all__ = ["OvdevalNmsApCompat"]


class OvdevalNmsApCompat(DatasetAp):
    """See DatasetAp; what is suppressed is taken away before anything is matched."""

    rule = "as coco-ap without the answers of IoU > .5 to a truth, whatever their labels, but its best (of equals last)"
    source: ClassVar[str] = "om-ai-lab/OVDEval eval.py (arXiv 2308.13177)"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)

    def _prepare(self, case: Case) -> tuple[Case, Overlaps]:
        case = case.only(kept_by_ovdeval(case.box_overlaps, case.scores.tolist()))
        return case, case.overlaps
