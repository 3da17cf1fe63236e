"""Boxes: average precision in which several names for one box are wrong but for the best."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._dataset_ap import DatasetAp
from pe.geometry.matching import Overlaps
from pe.verifiers.nms_ap import beaten

__all__ = ["NmsAp"]


class NmsAp(DatasetAp):
    """See DatasetAp; what is suppressed stays in the count of answers, as a miss."""

    rule = "as coco-ap; of the answers over one truth (IoU > .5), whatever their labels, only the best may hit"
    source: ClassVar[str] = "OVDEval's NMS-AP (arXiv 2308.13177), corrected as the verifier nms-ap"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)

    def _prepare(self, case: Case) -> tuple[Case, Overlaps]:
        overlaps = case.overlaps.copy()
        lost = beaten(case.answer, case.scores.tolist(), overlaps, np.where(case.same, overlaps, 0.0))
        overlaps[lost] = 0.0
        return case, overlaps
