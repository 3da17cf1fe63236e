"""What a source is: inputs in a fixed order, each readable on its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pe.errors import InputError


class EmptySourceError(InputError):
    """There is nothing in the source that could be an input."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One input as the source lists it, before its bytes are read.

    `id` is the source-relative path, plus "#member" (tar) or "#row" (parquet). `stamp` changes whenever the bytes may
    have changed (size and mtime of the file that holds them). `at` says where the bytes are, in JSON's types, so that
    a plan can keep it. `error` is (reason, detail) of an input that is known to be unreadable already.
    """

    id: str
    size: int
    stamp: str
    at: dict[str, Any] = field(default_factory=dict)
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Meta:
    """What the source says about an image; `fields` is its whole record in JSON's types."""

    caption: str = ""
    url: str = ""
    license: str = ""
    opt_out: bool = False
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raw:
    """An input's bytes and what its source says about it."""

    data: bytes
    meta: Meta


class Source(ABC):
    """Inputs behind one word on the command line.

    `ignored` counts files that are not inputs, by suffix. Nothing larger than `max_bytes` is read into memory.
    """

    def __init__(self, max_bytes: int = 50_000_000) -> None:
        self.max_bytes = max_bytes
        self.ignored: Counter[str] = Counter()

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Every input once, in an order that depends on names alone."""

    @abstractmethod
    def read(self, entry: Entry) -> Raw:
        """The bytes and metadata of one input; thread-safe. Raises SampleError when they cannot be had."""
