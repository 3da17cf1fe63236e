"""Images in WebDataset tars, plain or gzipped, with the JSON and the text of the same key."""

from __future__ import annotations

import gzip
import threading
import weakref
import zlib
from bisect import bisect_left, bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from pe.errors import SampleError
from pe.shards.signatures import name_of
from pe.shards.sources.base import Entry, Raw
from pe.shards.sources.meta import meta_from_files
from pe.shards.sources.names import CAPTIONS, container_of, escape, not_an_input, suffix_of
from pe.shards.sources.stores import Found, Store, check_size
from pe.shards.tar import Member, TarError, walk

MAX_SIDECAR = 1 << 20
"""Bytes of a .json or .txt member; a larger one is left alone."""

_WINDOW = 32 << 20
_CHUNK = 1 << 20
_STREAMS = 2

Spans = dict[tuple[str, int], dict[str, list[int]]]


def tar_entries(store: Store, path: str, found: Found, ignored: Counter[str]) -> Iterator[Entry]:
    """The images in a tar, in its own order, then one entry for the tar where it is damaged.

    All headers are read before the first entry, as a key's members may stand apart.
    """
    holder = escape(found.path)
    members: list[Member] = []
    damage: TarError | None = None
    packed = store.read(path, 0, 2) == b"\x1f\x8b"
    with store.open(path) as file:
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        try:
            members.extend(walk(stream, None if packed else found.size, all_kinds=True))
        except TarError as error:
            damage = error
    sidecars = _sidecars(members)
    times: Counter[str] = Counter()
    for member in members:
        if member.kind == "directory":
            continue
        if member.kind == "file":
            times[member.name] += 1
        if label := _not_an_input(member):
            ignored[label] += 1
            continue
        again = times[member.name]
        key = _key(member.name)
        beside = sidecars.get((key, again)) or sidecars.get((key, 1), {})
        at: dict[str, Any] = {"kind": "tar", "file": holder, "offset": member.offset, "size": member.size, **beside}
        if packed:
            at["packed"] = True
        yield Entry(_id(holder, member, again), member.size, found.stamp, at)
    if damage is None:
        return
    cut = damage.member
    if cut is not None and not _not_an_input(cut):
        detail = f"{damage}: the rest of it is missing"
        yield Entry(_id(holder, cut, times[cut.name] + 1), 0, found.stamp, error=("tar", detail))
    detail = f"{damage}; what follows cannot be read"
    if damage.offset == 0:
        head = store.read(path, 0, 1024)
        detail = f"not a tar but {name_of(head)}" if head else "an empty file"
    yield Entry(holder, 0, found.stamp, error=("tar", detail))


class TarReader:
    """Reads members by where they lie. A gzipped tar has no random access: a window moves forward over it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: OrderedDict[str, _Forward] = OrderedDict()

    def read(self, store: Store, path: str, at: dict[str, Any], limit: int) -> Raw:
        """The image and its metadata; SampleError("too_large") before more than `limit` bytes are read."""
        check_size(at["size"], limit)
        span = self._stream(store, path).read if at.get("packed") else partial(store.read, path)
        data = span(at["offset"], at["size"])
        if len(data) != at["size"]:
            raise SampleError("unreadable", f"the tar ends inside the member at byte {at['offset']}")
        json_bytes, text = (span(*at[name]) if name in at else None for name in ("json", "txt"))
        return Raw(data, meta_from_files(json_bytes, text))

    def _stream(self, store: Store, path: str) -> _Forward:
        with self._lock:
            stream = self._streams.pop(path, None) or _Forward(store, path)
            self._streams[path] = stream
            while len(self._streams) > _STREAMS:
                self._streams.popitem(last=False)
            return stream


class _Forward:
    """Positions in a gzipped file. What was read last stays at hand, for threads that are not quite in order."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path
        self._lock = threading.Lock()
        self._rewind()

    def _rewind(self) -> None:
        packed = self._store.open(self._path)
        self._file = gzip.GzipFile(fileobj=packed)
        weakref.finalize(self._file, packed.close)
        self._starts: list[int] = []
        self._chunks: list[bytes] = []
        self._end = 0

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` of what the file unpacks to; from its beginning again when that has passed."""
        stop = offset + size
        with self._lock:
            if self._starts and offset < self._starts[0]:
                self._rewind()
            try:
                # Never more than is asked for: behind it the file may be damaged.
                while self._end < stop and (chunk := self._file.read(min(stop - self._end, _CHUNK))):
                    self._starts.append(self._end)
                    self._chunks.append(chunk)
                    self._end += len(chunk)
                    if self._end - self._starts[0] > 2 * _WINDOW:
                        self._forget(min(offset, self._end - _WINDOW))
            except (EOFError, zlib.error) as error:
                raise SampleError("unreadable", str(error)) from None
            first = max(bisect_right(self._starts, offset) - 1, 0)
            last = bisect_left(self._starts, stop)
            data = b"".join(self._chunks[first:last])
            begin = offset - self._starts[first] if self._starts else 0
            return data[begin : begin + size]

    def _forget(self, before: int) -> None:
        count = max(bisect_right(self._starts, before) - 1, 0)
        del self._starts[:count], self._chunks[:count]


def _sidecars(members: list[Member]) -> Spans:
    """Where the JSON and the text of each key lie, by key and its how-manieth occurrence."""
    spans: Spans = {}
    times: Counter[str] = Counter()
    for member in members:
        suffix = suffix_of(member.name)
        name = "json" if suffix == ".json" else "txt" if suffix in CAPTIONS else ""
        if name and member.kind == "file" and member.size <= MAX_SIDECAR:
            times[member.name] += 1
            known = spans.setdefault((_key(member.name), times[member.name]), {})
            known.setdefault(name, [member.offset, member.size])
    return spans


def _key(name: str) -> str:
    """WebDataset's key: the name up to the first dot of its last part."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _not_an_input(member: Member) -> str:
    if member.kind != "file":
        return member.kind
    return not_an_input(member.name) or (suffix_of(member.name) if container_of(member.name) else "")


def _id(holder: str, member: Member, again: int) -> str:
    """Names may come twice in a tar; an escape that `escape` never makes tells the later ones apart."""
    return f"{holder}#{escape(member.name)}" + (f"\\{again}" if again > 1 else "")
