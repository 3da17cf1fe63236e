"""A row before it is written."""

from __future__ import annotations

from dataclasses import dataclass

from pe.engines.tasks import Exchange
from pe.formats import Item
from pe.schemas.sample import Sample


@dataclass(frozen=True)
class Candidate:
    """A question about `sample` with its answer as text, for filters to judge.

    `gold` is the answer in its format, `tokens` the length of question and answer (0 without a tokenizer).
    """

    sample: Sample
    exchange: Exchange
    gold: str
    tokens: int

    @property
    def items(self) -> tuple[Item, ...]:
        """The objects of the answer."""
        return self.exchange.answer.objects

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        return self.sample.width, self.sample.height
