"""Boxes: F1 of hits, whatever the labels."""

from __future__ import annotations

from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._overlap_f1 import OverlapF1
from pe.geometry.matching import Overlaps

__all__ = ["BoxF1OneToOneClassAgnostic"]


class BoxF1OneToOneClassAgnostic(OverlapF1):
    """See OverlapF1."""

    rule = "boxes whatever their labels, one to one and as many pairs as there can be"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)

    def _overlaps(self, case: Case) -> Overlaps:
        return case.overlaps
