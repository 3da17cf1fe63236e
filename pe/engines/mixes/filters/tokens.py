"""Rows by their length in tokens."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["Tokens"]


class Tokens(RowFilter):
    """Keeps rows of at most `max` tokens; needs the mix's `tokenizer`, without which every row has 0."""

    max: int = Field(4096, ge=1)

    def keeps(self, row: Candidate) -> bool:
        return row.tokens <= self.max
