"""Samples found by their keys."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from pe.errors import InputError
from pe.schemas.sample import Sample
from pe.shards.read import read_row, read_shard, shards_of
from pe.shards.sidecar import Row, Sidecar


class SamplesByKey:
    """The samples of shards by key, for a `with`: where each lies is kept in a file, not in memory.

    Raises InputError when `shards` is neither an output folder nor a shard's .tar.
    """

    def __init__(self, shards: Path) -> None:
        self._shards = shards_of(shards)
        self._last: Sample | None = None

    def __enter__(self) -> SamplesByKey:
        self._folder = tempfile.TemporaryDirectory(prefix="pe-score-")
        self._base = sqlite3.connect(Path(self._folder.name) / "index.sqlite", isolation_level=None)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.execute("BEGIN")
        self._base.execute(
            "CREATE TABLE sample (key TEXT PRIMARY KEY, shard, at, size, image, record, answered DEFAULT 0) "
            "WITHOUT ROWID"
        )
        for number, shard in enumerate(self._shards):
            rows = Sidecar.load(shard.with_suffix(".json")).index
            self._base.executemany(
                "INSERT OR IGNORE INTO sample VALUES (?, ?, ?, ?, ?, ?, 0)",
                ((row.key, number, *row[1:]) for row in rows),
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._folder.cleanup()

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._base.execute("SELECT count(*) FROM sample").fetchone()[0])

    def unanswered(self) -> int:
        """How many were never asked for."""
        return int(self._base.execute("SELECT count(*) FROM sample WHERE NOT answered").fetchone()[0])

    def find(self, key: str) -> Sample | None:
        """The sample `key`, or None. Raises InputError when it is of a kind without a truth to score by."""
        if self._last is not None and self._last.key == key:
            return self._last
        try:
            key.encode()
        except UnicodeEncodeError:
            return None  # half a surrogate pair is no text, and no key of ours
        with closing(
            self._base.execute("SELECT shard, at, size, image, record FROM sample WHERE key = ?", (key,))
        ) as rows:
            found = rows.fetchone()
        if found is None:
            return None
        self._base.execute("UPDATE sample SET answered = 1 WHERE key = ?", (key,))
        tar = self._shards[found[0]]
        sample, _ = read_row(tar, Row(key, *found[1:]))
        _refuse_sft(sample, tar)
        self._last = sample
        return sample


def check_kind(shards: Path) -> None:
    """Raise InputError where the first sample of a shard is of a kind without a truth to score by."""
    for tar in shards_of(shards):
        first = next((sample for sample, _ in read_shard(tar)), None)
        if first is not None:
            _refuse_sft(first, tar)


def _refuse_sft(sample: Sample, tar: Path) -> None:
    if sample.kind == "sft":
        raise InputError(f"{tar}: holds sft samples, which no response is scored by; name rl or annotated ones")
