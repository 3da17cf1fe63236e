"""The rows of a mix as inputs: where a row was made stands for its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pe.engines.mixes.selection import Selection
from pe.engines.mixes.survey import Part
from pe.schemas.sample import dumps
from pe.shards.sources.base import Entry, Meta, Raw, Source


class MixSource(Source):
    """The rows of `selection`, in its order."""

    def __init__(self, selection: Selection, parts: Sequence[Part], names: Sequence[str]) -> None:
        super().__init__()
        self._selection = selection
        self._parts = parts
        self._names = names

    def entries(self) -> Iterator[Entry]:
        rows = self._selection.rows
        for index, turn in zip(self._selection.order.tolist(), self._selection.turn.tolist(), strict=True):
            part, leaf, _, offset, size, block, block_size = rows[index].item()
            where = {"part": part, "row": [offset, size], "block": [block, block_size]}
            again = f"+{turn}" if turn else ""
            yield Entry(f"{self._names[leaf]}/{self._parts[part].name}/{offset}{again}", size + block_size, "", where)

    def read(self, entry: Entry) -> Raw:
        return Raw(dumps([entry.id, entry.at]).encode(), Meta())
