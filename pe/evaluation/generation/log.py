"""The file of answers: it only grows, by whole lines, from any number of processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pe.errors import DamageError
from pe.schemas.sample import dumps
from pe.shards.output import disk_errors, write_all

_CHUNK = 1 << 16


class Log:
    """Lines of JSON objects with a `key` and a `sample` number, each pair once.

    A line without its end was cut by a kill: it is cut off when the file is opened, and before lines are written.
    Several processes may write, each under the file's lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, int] = {}
        self._read = 0
        self.count = 0
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path) as (handle, end):
                os.ftruncate(handle, end)
        self.refresh()

    def has(self, key: str, sample: int) -> bool:
        """Whether this answer is there, as far as the file was read."""
        return bool(self._done.get(key, 0) >> sample & 1)

    def refresh(self) -> None:
        """Take note of what others wrote. Raises DamageError for a whole line that is none of this file."""
        for row in self._rows():
            self._note(row)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add those of `rows` that are not there yet, whole or not at all."""
        new = [row for row in rows if not self.has(row["key"], row["sample"])]
        if not new:
            return
        data = "".join(f"{dumps(row)}\n" for row in new).encode("utf-8", "backslashreplace")
        with disk_errors(self.path), _locked(self.path) as (handle, end):
            os.ftruncate(handle, end)
            try:
                write_all(handle, data)
            except BaseException:
                os.ftruncate(handle, end)
                raise
        for row in new:
            self._note(row)

    def _note(self, row: Mapping[str, Any]) -> None:
        bit = 1 << int(row["sample"])
        before = self._done.get(row["key"], 0)
        self.count += not before & bit
        self._done[row["key"]] = before | bit

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as stream:
            stream.seek(self._read)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                yield _parsed(line, self.path, self._read)
                self._read += len(line)


def read_log(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Offset and content of every whole line. Raises DamageError as `Log` does."""
    offset = 0
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield offset, _parsed(line, path, offset)
            offset += len(line)


def read_at(path: Path, offsets: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The lines that begin at `offsets`."""
    with path.open("rb") as stream:
        for offset in offsets:
            stream.seek(offset)
            yield _parsed(stream.readline(), path, offset)


def _parsed(line: bytes, path: Path, offset: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    match row:
        case {"key": str(), "sample": int(sample)} if 0 <= sample < 1024:
            return dict(row)
    raise DamageError(f"{path}: the line at byte {offset:,} is damaged: remove that line, or the file, and run again")


@contextmanager
def _locked(path: Path) -> Iterator[tuple[int, int]]:
    """The file open to append, locked, and where its last whole line ends."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle, _whole_end(handle)
    finally:
        os.close(handle)


def _whole_end(handle: int) -> int:
    """Where the last whole line ends."""
    end = os.fstat(handle).st_size
    while end:
        start = max(0, end - _CHUNK)
        at = os.pread(handle, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
