"""Where bytes lie: what a file system has to answer. Paths are str with "/" between the parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from pe.errors import SampleError
from pe.shards.sources.names import CAPTIONS


class Info(NamedTuple):
    """What lies at a path: bytes (-1 where the store does not tell), a stamp that changes with them, folder or file."""

    size: int
    stamp: str
    folder: bool = False


class Found(NamedTuple):
    """A file that may hold inputs, by its path below the root. `json` and `text` are the names of what stands beside.

    `error` is (reason, detail) of one that cannot be used.
    """

    path: str
    size: int = 0
    stamp: str = ""
    json: str = ""
    text: str = ""
    error: tuple[str, str] | None = None


class Wanted(NamedTuple):
    """What a listing is after: which folders to `enter`, which files to `keep`, by their path below the root."""

    enter: Callable[[str], bool]
    keep: Callable[[str], bool]


class Store(ABC):
    """A file system; errors are OSErrors as the local one raises them, SampleError("too_large") apart."""

    @abstractmethod
    def info(self, path: str) -> Info:
        """What lies at `path`."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """The file, seekable, for reading."""

    @abstractmethod
    def read(self, path: str, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on, fewer where the file ends; thread-safe."""

    @abstractmethod
    def read_all(self, path: str, limit: int) -> bytes:
        """The whole file; SampleError("too_large") before more than `limit` bytes are in memory; thread-safe."""

    @abstractmethod
    def scan(self, root: str, wanted: Wanted | None, ignored: Counter[str]) -> Iterator[Found]:
        """Every file below `root` that may be an input, sorted by the parts of its path; the rest is counted."""

    @abstractmethod
    def names(self, folder: str) -> frozenset[str]:
        """The names in a folder, none where it cannot be listed."""


def join(root: str, path: str) -> str:
    """`path` below `root`; parts of ".." go up, in the names alone."""
    parts = root.rstrip("/").split("/")
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def check_size(size: int, limit: int) -> None:
    """SampleError("too_large") for more than `limit` bytes."""
    if size > limit:
        raise SampleError("too_large", f"{size} bytes, the limit is {limit}")


def beside(name: str, names: Iterable[str]) -> tuple[str, str]:
    """The names of the JSON and the text file that belong to image `name`, "" for none."""
    stem = name.rpartition(".")[0] or name
    text = next((stem + suffix for suffix in CAPTIONS if stem + suffix in names), "")
    return (f"{stem}.json" if f"{stem}.json" in names else ""), text


def unreadable(error: Exception) -> tuple[str, str]:
    """(reason, detail) of an input that could not be read, without the path in it."""
    return "unreadable", getattr(error, "strerror", None) or str(error) or type(error).__name__
