"""Rows by the script that their question and answer are written in."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["Language"]


class Language(RowFilter):
    """Keeps rows of which at least `share` of the letters are of one script: `script` begins Unicode's names of them.

    LATIN takes English and its neighbours apart from CJK, ARABIC, CYRILLIC ...; it does not tell English from French.
    """

    script: str = "LATIN"
    share: float = Field(1.0, ge=0, le=1)

    def keeps(self, row: Candidate) -> bool:
        letters = [char for char in row.exchange.question + row.gold if char.isalpha()]
        fits = sum(_is_of(char, self.script) for char in letters)
        return fits >= self.share * len(letters)


@lru_cache(maxsize=65_536)
def _is_of(char: str, script: str) -> bool:
    return (char.isascii() and script == "LATIN") or unicodedata.name(char, "").startswith(script)
