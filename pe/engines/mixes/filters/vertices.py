"""Rows by the vertices of their rings."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["Vertices"]


class Vertices(RowFilter):
    """Keeps rows whose every object has rings of at least `min` and at most `max` vertices in all."""

    min: int = Field(3, ge=3)
    max: int = Field(128, ge=3)

    def keeps(self, row: Candidate) -> bool:
        counts = [sum(len(ring) for ring in item.rings) // 2 for item in row.items if item.rings]
        return all(self.min <= count <= self.max for count in counts)
