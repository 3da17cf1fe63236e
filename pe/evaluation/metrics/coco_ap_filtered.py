"""Boxes: COCO's average precision without crowded labels."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._dataset_ap import DatasetAp
from pe.geometry.matching import Overlaps

__all__ = ["CocoApFiltered"]

_MOST = 10


class CocoApFiltered(DatasetAp):
    """coco-ap without the labels that have more than 10 boxes in a picture: truths and answers there are left out."""

    rule = "as coco-ap, without the labels of a picture that have more than 10 boxes in it"
    source: ClassVar[str] = "COCO_filtered of VLM-R1 (arXiv 2504.07615)"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)

    def _prepare(self, case: Case) -> tuple[Case, Overlaps]:
        crowded = {label for label, count in Counter(case.there).items() if count > _MOST}
        if crowded:
            case = case.only(
                [index for index, label in enumerate(case.found) if label not in crowded],
                [index for index, label in enumerate(case.there) if label not in crowded],
            )
        return case, case.overlaps
