"""Writes the rows of a mix: the record that the survey made, the image that its source has."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache

from pe.engines.mixes.survey import Part
from pe.engines.outcomes import Outcome, outcome
from pe.engines.stages import Stages
from pe.errors import DamageError, Interrupted
from pe.shards.plan import PlannedInput, Slice
from pe.shards.read import read_image
from pe.shards.writer import ShardWriter

_OPEN = 128
_HEAD = b'{"key":"",'
_SHA256 = b'"sha256":"'


class MixEngine:
    """Copies rows of the parts of a survey; none is ever left out."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.stages = Stages()
        self._rows = lru_cache(maxsize=_OPEN)(lambda number: _File(str(parts[number].rows_path)))
        self._tars = lru_cache(maxsize=_OPEN)(lambda number: _File(str(parts[number].shard)))

    def run(
        self,
        work: Slice,
        writer: ShardWriter,
        *,
        batch_size: int,
        stop: Callable[[], bool],
        on_input: Callable[[Outcome], None],
    ) -> list[Outcome]:
        """See Engine."""
        outcomes = []
        with self.stages.timed("copy"):
            for number, item in enumerate(work.inputs):
                if stop():
                    raise Interrupted
                outcomes.append(self._copy(item, work.key(number), writer))
                on_input(outcomes[-1])
        return outcomes

    def _copy(self, item: PlannedInput, key: str, writer: ShardWriter) -> Outcome:
        part, (offset, size), (block, length) = (item.entry.at[name] for name in ("part", "row", "block"))
        data = os.pread(self._rows(part).handle, size, offset)
        if len(data) != size or not data.startswith(_HEAD):
            raise DamageError(f"{item.id}: its record in the cache is damaged; remove the cache and run again")
        start = data.index(_SHA256) + len(_SHA256)
        sha256 = data[start : start + 64].decode("ascii", "replace")
        image = read_image(self._tars(part).handle, block, length, sha256)
        writer.add_record(key, b'{"key":"' + key.encode() + b'",' + data[len(_HEAD) :], image, sha256)
        return outcome(item, "written", key=key)


class _File:
    """An open file that is closed when nobody needs it any more."""

    def __init__(self, path: str) -> None:
        try:
            self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DamageError(f"{path} cannot be read any more: {error.strerror}") from error

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            os.close(self.handle)
