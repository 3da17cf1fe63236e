"""Writes the rows of a mix: the record that the survey made, the image that its source has."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache

from pe.engines.mixes.survey import Part
from pe.engines.outcomes import Outcome, outcome
from pe.engines.stages import Stages
from pe.errors import DamageError, Interrupted
from pe.shards.plan import Slice
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
        for number, item in enumerate(work.inputs):
            if stop():
                raise Interrupted
            at = item.entry.at
            key = work.key(number)
            with self.stages.timed("read"):
                offset, size = at["row"]
                data = os.pread(self._rows(at["part"]).handle, size, offset)
                if len(data) != size or not data.startswith(_HEAD):
                    raise DamageError(f"{item.id}: its record in the cache is damaged; remove the cache and run again")
                start = data.index(_SHA256) + len(_SHA256)
                sha256 = data[start : start + 64].decode("ascii", "replace")
                block, length = at["block"]
                image = read_image(self._tars(at["part"]).handle, block, length, sha256)
            with self.stages.timed("write"):
                writer.add_record(key, b'{"key":"' + key.encode() + b'",' + data[len(_HEAD) :], image, sha256)
            outcomes.append(outcome(item, "written", key=key))
            on_input(outcomes[-1])
        return outcomes


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
