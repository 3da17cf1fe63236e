"""The one source: files found in some way, and what the tars and parquet files among them hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pe.errors import InputError, SampleError, TryLater
from pe.shards.sources.base import EmptySourceError, Entry, Raw, Source
from pe.shards.sources.meta import meta_from_files
from pe.shards.sources.names import container_of, escape, unescape
from pe.shards.sources.remote import open_store
from pe.shards.sources.stores import Found, Store, join, unreadable
from pe.shards.sources.tars import MAX_SIDECAR, TarReader, tar_entries

if TYPE_CHECKING:
    from pe.shards.sources.tables import TableReader

Listing = Callable[[Counter[str]], Iterator[Found]]
"""Finds files below a root and counts what is no input."""


class FileSource(Source):
    """Inputs below one root: sorted by the parts of their path, inside a tar or parquet file in its own order.

    An Entry's `at` holds the path below the root, so that a plan stays good when the whole source moves,
    and another process that opens the same word reads without listing.
    """

    def __init__(self, word: str, max_bytes: int, store: Store, root: str, listing: Listing, kind: str = "") -> None:
        """`kind` is what the one file of the source is, "" where the suffix decides."""
        super().__init__(max_bytes)
        self._word = word
        self._store = store
        self._root = root
        self._listing = listing
        self._kind = kind
        self._tars = TarReader()

    @cached_property
    def _tables(self) -> TableReader:
        # pyarrow is for those who read parquet.
        from pe.shards.sources.tables import TableReader

        return TableReader()

    def entries(self) -> Iterator[Entry]:
        """Every input once; EmptySourceError when there is none, InputError when the root cannot be listed."""
        self.ignored.clear()
        empty = True
        try:
            for found in self._listing(self.ignored):
                for entry in self._inputs(found):
                    empty = False
                    yield entry
        except (ConnectionError, TimeoutError) as error:
            raise self._silent(error) from None
        except OSError as error:
            raise InputError(f"{self._word} cannot be listed: {unreadable(error)[1]}") from None
        if empty:
            seen = ", ".join(f"{count} {name}" for name, count in self.ignored.most_common(5))
            raise EmptySourceError(f"{self._word} holds no images" + (f", only {seen}" if seen else ""))

    def read(self, entry: Entry) -> Raw:
        """The bytes and metadata of one input; thread-safe.

        Raises SampleError "too_large", "unreadable", "not_downloaded" or "missing", or what the entry's error says;
        TryLater when a remote store does not answer.
        """
        if entry.error is not None:
            raise SampleError(*entry.error)
        at = entry.at
        try:
            store, path = self._locate(unescape(at["file"]))
            if at["kind"] == "tar":
                return self._tars.read(store, path, at, self.max_bytes)
            if at["kind"] == "parquet":
                return self._tables.read(store, path, at, self.max_bytes)
            data = store.read_all(path, self.max_bytes)
            json_bytes, text = (self._beside(at.get(name, "")) for name in ("json", "txt"))
            return Raw(data, meta_from_files(json_bytes, text))
        except (ConnectionError, TimeoutError) as error:
            raise self._silent(error) from None
        except FileNotFoundError:
            raise SampleError("unreadable", "the file is gone") from None
        except (OSError, ValueError) as error:
            raise SampleError(*unreadable(error)) from None

    def _inputs(self, found: Found) -> Iterator[Entry]:
        name = escape(found.path)
        kind = self._kind or container_of(found.path)
        if found.error is not None or kind not in ("tar", "parquet"):
            at: dict[str, Any] = {"kind": "file", "file": name}
            folder = name.rpartition("/")[0]
            for key, value in (("json", found.json), ("txt", found.text)):
                if value:
                    at[key] = f"{folder}/{escape(value)}" if folder else escape(value)
            yield Entry(name, found.size, found.stamp, at, found.error)
            return
        try:
            store, path = self._locate(found.path)
            if kind == "tar":
                yield from tar_entries(store, path, found, self.ignored)
            else:
                from pe.shards.sources.tables import table_entries

                yield from table_entries(store, path, found, self.ignored)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            yield Entry(name, 0, found.stamp, error=unreadable(error))

    def _beside(self, name: str) -> bytes | None:
        """A sidecar's bytes. One that is too large is left alone; one that is gone could have said "opt out"."""
        if not name:
            return None
        store, path = self._locate(unescape(name))
        try:
            return store.read_all(path, MAX_SIDECAR)
        except SampleError:
            return None

    def _locate(self, path: str) -> tuple[Store, str]:
        return open_store(path) if "://" in path else (self._store, join(self._root, path))

    def _silent(self, error: Exception) -> TryLater:
        return TryLater(f"{self._word} does not answer ({unreadable(error)[1]}); run the same command again")
