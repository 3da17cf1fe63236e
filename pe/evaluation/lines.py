"""A model's responses as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe.errors import InputError


@dataclass(frozen=True, slots=True)
class Line:
    """One response: to the sample `key`, the `sample`-th to it, with its length and whether that cut it, if known."""

    key: str
    response: str
    tokens: int | None = None
    truncated: bool | None = None
    sample: int | None = None


def read_line(line: bytes) -> Line:
    """The response in a line of {"key", "response", "tokens"?, "truncated"?, "sample"?}; other keys are passed over.

    Raises InputError for anything else.
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
            return Line(key, response, _whole(row, "tokens"), truncated, _whole(row, "sample"))
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


def _whole(row: dict[str, Any], name: str) -> int | None:
    value = row.get(name)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise InputError(f"{name}: expected a whole number")
