"""Rows by how well the rings fit the masks."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["RingIou"]


class RingIou(RowFilter):
    """Keeps rows of samples whose objects in the answer all have rings of at least `min` IoU with their masks."""

    min: float = Field(0.9, ge=0, le=1)

    def keeps(self, row: Candidate) -> bool:
        asked = {item.phrase for item in row.items if item.rings}
        fits = [item.ring_iou for item in row.sample.objects() if item.ring_iou is not None and item.phrase in asked]
        return all(fit >= self.min for fit in fits)
