"""Rows by the length of their answer."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["AnswerLength"]


class AnswerLength(RowFilter):
    """Keeps rows whose answer's text has `min` to `max` characters (V-Triune's reasoning rows: at most 20)."""

    min: int = Field(0, ge=0)
    max: int = Field(20, ge=0)

    def keeps(self, row: Candidate) -> bool:
        return self.min <= len(row.exchange.answer.text or row.gold) <= self.max
