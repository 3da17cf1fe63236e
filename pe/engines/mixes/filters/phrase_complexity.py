"""Rows by how many words their phrases have."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["PhraseComplexity"]


class PhraseComplexity(RowFilter):
    """Keeps rows whose every phrase has at most `words` words and none of the marks of a clause."""

    words: int = Field(4, ge=1)
    marks: str = ",;:()"

    def keeps(self, row: Candidate) -> bool:
        phrases = {item.phrase for item in row.items} | set(row.exchange.answer.absent)
        return all(
            len(phrase.split()) <= self.words and not any(mark in phrase for mark in self.marks) for phrase in phrases
        )
