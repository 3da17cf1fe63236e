"""Rows by what their answer looks like."""

from __future__ import annotations

from pydantic import Field

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter

__all__ = ["AnswerShape"]


class AnswerShape(RowFilter):
    """Keeps answers that can be checked by rule: no choice letter or true/false unless wanted, none of `without`.

    V-Triune's reasoning rows: no multiple choice, no true or false, none of = [ ] ( ) ; in the answer.
    """

    choice: bool = False
    truth: bool = False
    without: str = Field("=[]();")

    def keeps(self, row: Candidate) -> bool:
        text = row.exchange.answer.text.strip()
        if not self.choice and (row.exchange.truth.get("options") or (len(text) == 1 and text in "ABCDEFGH")):
            return False
        if not self.truth and text.casefold() in ("true", "false", "yes", "no"):
            return False
        return not any(mark in text for mark in self.without)
