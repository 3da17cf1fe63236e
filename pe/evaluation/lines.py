"""A model's responses as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pe.errors import InputError
from pe.shards.output import disk_errors, temp_path


@dataclass(frozen=True, slots=True)
class Line:
    """One response: to the sample `key`, the `sample`-th to it, with its length and whether that cut it, if known.

    `error` says why there is none.
    """

    key: str
    response: str
    tokens: int | None = None
    truncated: bool | None = None
    sample: int | None = None
    error: str = ""


def read_line(line: bytes) -> Line:
    """The response in a line of {"key", "response", "tokens"?, "truncated"?, "sample"?, "error"?}.

    Other keys are passed over. Raises InputError for anything else.
    """
    try:
        row = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from None
    match row:
        case {"key": str(key), "response": str(response)}:
            truncated = row.get("truncated")
            if not isinstance(truncated, bool | None):
                raise InputError("truncated: expected true or false")
            why = str(row.get("error") or "")
            return Line(key, response, _whole(row, "tokens"), truncated, _whole(row, "sample"), why)
    raise InputError("expected an object with the texts `key` and `response`")


@contextmanager
def opened(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of the file at `path`. Raises InputError where it cannot be read."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    with stream:
        yield iter(stream)


@contextmanager
def written(path: Path | None) -> Iterator[TextIO | None]:
    """A stream whose content becomes `path` when all went well; None without a path."""
    if path is None:
        yield None
        return
    temp = temp_path(path)
    try:
        with disk_errors(path), temp.open("w", encoding="utf-8") as stream:
            yield stream
        with disk_errors(path):
            temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)


def _whole(row: dict[str, Any], name: str) -> int | None:
    value = row.get(name)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise InputError(f"{name}: expected a whole number")
