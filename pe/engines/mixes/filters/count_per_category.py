"""Rows by how many objects of one phrase they have."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["CountPerCategory"]


class CountPerCategory(RowFilter):
    """Keeps rows with at most `max` objects of any phrase (V-Triune, COCO_filtered: 10) and at least `min` in all."""

    min: int = Field(0, ge=0)
    max: int = Field(10, ge=0)

    def keeps(self, row: Candidate) -> bool:
        counts = Counter(item.phrase for item in row.items)
        return counts.total() >= self.min and max(counts.values(), default=0) <= self.max
