"""Rows by how much of the picture their boxes cover."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["BoxShare"]


class BoxShare(RowFilter):
    """Keeps rows whose every box covers `min` to `max` of the picture (V-Triune: at most one half)."""

    min: float = Field(0.0, ge=0, le=1)
    max: float = Field(0.5, ge=0, le=1)

    def keeps(self, row: Candidate) -> bool:
        width, height = row.size
        shares = [
            (box[2] - box[0]) * (box[3] - box[1]) / (width * height) for box in (item.bbox for item in row.items) if box
        ]
        return all(self.min <= share <= self.max for share in shares)
