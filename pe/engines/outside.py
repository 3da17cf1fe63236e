"""A source that the output folder lies in: `pe annotate . out`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pe.errors import InputError
from pe.shards.sources.base import Entry, Raw, Source
from pe.shards.sources.names import escape


def without_output(source: Source, word: str, out: Path) -> Source:
    """`source` as it is, or without what lies in `out` when that is a folder below it.

    Raises InputError when it is the source that lies in the output folder.
    """
    if "://" in word:
        return source
    place = Path(word)
    if not place.exists() and (magic := re.search(r"[*?\[{]", word)):
        place = Path(f"{word[: magic.start()]}x").parent
    if not place.is_dir():
        return source
    path = Path(os.path.relpath(out.resolve(), place.resolve()))
    if set(path.parts) <= {os.pardir}:
        raise InputError(f"{word} lies in the output folder {out}; name a source or an output somewhere else")
    return source if path.parts[0] == os.pardir else _Outside(source, f"{escape(str(path))}/")


class _Outside(Source):
    def __init__(self, source: Source, prefix: str) -> None:
        super().__init__(source.max_bytes)
        self._source = source
        self._prefix = prefix
        self.ignored = source.ignored

    def entries(self) -> Iterator[Entry]:
        return (entry for entry in self._source.entries() if not entry.id.startswith(self._prefix))

    def read(self, entry: Entry) -> Raw:
        return self._source.read(entry)
