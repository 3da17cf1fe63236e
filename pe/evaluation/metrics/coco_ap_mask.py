"""Masks: COCO's average precision."""

from __future__ import annotations

from typing import ClassVar

from pe.evaluation.case import Kind
from pe.evaluation.metrics._dataset_ap import DatasetAp

__all__ = ["CocoApMask"]


class CocoApMask(DatasetAp):
    """See DatasetAp."""

    rule = "masks of one label, best score (1 unless given) first, each takes the best free truth; IoU .50 to .95"
    kinds: ClassVar[tuple[Kind, ...]] = ("masks",)
