"""What the word on the command line is: decided by what lies there and by content, by its suffix last."""

from __future__ import annotations

import math
import os
import posixpath
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase

import braceexpand

from pe.errors import InputError, TryLater
from pe.shards.signatures import is_text, name_of
from pe.shards.sources.base import Source
from pe.shards.sources.files import FileSource, Listing
from pe.shards.sources.local import LocalStore
from pe.shards.sources.names import IMAGES, container_of, sort_key, suffix_of
from pe.shards.sources.remote import open_store
from pe.shards.sources.stores import Found, Info, Store, Wanted, beside, join, unreadable
from pe.shards.tar import BLOCK, is_header

_KNOWN = "name a folder, a glob, a .txt list of paths, tars ({00000..00012}.tar), a parquet file or an image"
_BRACES = re.compile(r"\{[^{}]*(\.\.|,)[^{}]*\}")
_MAGIC = re.compile(r"[*?\[]")
_DOWNLOADS = ("http://", "https://", "ftp://")
_MANY = 1_000_000


def open_source(word: str, max_bytes: int = 50_000_000) -> Source:
    """The source that `word` names; nothing is listed yet.

    A folder (all below it), a glob (`*`, `?`, `[...]`, `**`; a folder that it matches counts with all below it), a
    text file of paths, tars (one, a brace range), parquet, one image; each also where fsspec can open it.

    Raises InputError for what is not there or is none of these, TryLater when a remote store does not answer.
    """
    if not word:
        raise InputError(f"an empty word is no source; {_KNOWN}")
    store, path = open_store(word)
    try:
        info = store.info(path)
    except (ConnectionError, TimeoutError) as error:
        raise TryLater(f"{word} does not answer ({unreadable(error)[1]}); run the same command again") from None
    except FileNotFoundError:
        return _several(word, max_bytes, store, path)
    except (OSError, ValueError) as error:
        raise InputError(f"{word} cannot be opened: {unreadable(error)[1]}") from None
    if info.folder:
        root = path.rstrip("/") or "/"
        return FileSource(word, max_bytes, store, root, lambda ignored: store.scan(root, None, ignored))
    try:
        head = store.read(path, 0, 2 * BLOCK)
    except OSError as error:
        raise InputError(f"{word} cannot be read: {unreadable(error)[1]}") from None
    return _single(word, max_bytes, store, path, head)


def _several(word: str, max_bytes: int, store: Store, path: str) -> Source:
    """A brace range or a glob: nothing is called like that itself."""
    if _BRACES.search(path):
        if _at_most(path) > _MANY:
            raise InputError(f"{word} names more than {_MANY} files")
        try:
            paths = list(braceexpand.braceexpand(path))
        except ValueError as error:
            raise InputError(f"{word} is no range: {error}") from None
        root = posixpath.dirname(path[: path.index("{")])
        below = [name[len(root) :].lstrip("/") for name in paths]
        return FileSource(word, max_bytes, store, root or ".", _range(word, store, root or ".", below))
    if magic := _MAGIC.search(path):
        root = posixpath.dirname(path[: magic.start()])
        pattern = path[len(root) :].strip("/").split("/")
        start = root or ("/" if path.startswith("/") else ".")
        return FileSource(word, max_bytes, store, start, _glob(word, store, start, pattern))
    raise InputError(f"{word} does not exist; {_KNOWN}")


def _at_most(path: str) -> int:
    """How many names a brace expansion may have; it would make them all to count them."""
    ranges = re.findall(r"\{(-?\d{1,18})\.\.(-?\d{1,18})", path)
    choices: list[str] = re.findall(r"\{([^{}]*,[^{}]*)\}", path)
    counts: list[int] = [abs(int(last) - int(first)) + 1 for first, last in ranges]
    return math.prod([*counts, *(text.count(",") + 1 for text in choices)])


def _single(word: str, max_bytes: int, store: Store, path: str, head: bytes) -> Source:
    """One file, by what is in it."""
    folder, name = posixpath.split(path)
    root = folder or "."
    kind = _kind_of(head, name)
    if kind == "list":
        root = os.path.realpath(root) if isinstance(store, LocalStore) else root
        return FileSource(word, max_bytes, store, root, _lines(word, store, path, root))
    if not kind:
        raise InputError(f"{word} is {name_of(head)}; {_KNOWN}")
    return FileSource(word, max_bytes, store, root, lambda ignored: _named(store, root, [name]), kind)


def _kind_of(head: bytes, name: str) -> str:
    """ "tar", "parquet", "image", "list", or "" for what is none of them."""
    suffix = suffix_of(name)
    if is_header(head[:BLOCK]) or is_header(_unpacked(head)):
        return "tar"
    if head.startswith((b"PAR1", b"PARE")):
        return "parquet"
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or head[8:12] == b"WEBP" or suffix in IMAGES:
        return "image"
    if container_of(name):
        return container_of(name)
    lists = suffix in (".txt", ".list", ".lst", "") and (is_text(head) or not head)
    return "list" if lists or (not suffix and name_of(head) == "text") else ""


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, BLOCK)
    except zlib.error:
        return b""


def _range(word: str, store: Store, root: str, paths: list[str]) -> Listing:
    def listing(ignored: Counter[str]) -> Iterator[Found]:
        found = list(_named(store, root, sorted(set(paths), key=sort_key)))
        if all(item.error is not None and item.error[0] == "missing" for item in found):
            raise InputError(f"{word} matches no file")
        return iter(found)

    return listing


def _glob(word: str, store: Store, root: str, pattern: list[str]) -> Listing:
    def listing(ignored: Counter[str]) -> Iterator[Found]:
        try:
            info = store.info(root)
        except FileNotFoundError:
            info = Info(0, "")
        if not info.folder:
            raise InputError(f"{word} matches nothing: there is no folder {root}")
        wanted = Wanted(lambda path: _matches(path, pattern) > 0, lambda path: _matches(path, pattern) == 2)
        return store.scan(root, wanted, ignored)

    return listing


def _matches(path: str, pattern: list[str]) -> int:
    """2 when `pattern` matches the path or a folder on the way to it, 1 when it may match below, 0 when it cannot."""
    states = _closed({0}, pattern)
    for part in path.split("/"):
        states = _closed({after for state in states for after in _step(part, state, pattern)}, pattern)
        if len(pattern) in states:
            return 2
    return 1 if states else 0


def _step(part: str, state: int, pattern: list[str]) -> list[int]:
    if state == len(pattern):
        return []
    if pattern[state] == "**":
        return [state]
    return [state + 1] if fnmatchcase(part, pattern[state]) else []


def _closed(states: set[int], pattern: list[str]) -> set[int]:
    """`states` and those that a "**" for no folder at all leads to."""
    closed = set(states)
    for state in states:
        while state < len(pattern) and pattern[state] == "**":
            state += 1
            closed.add(state)
    return closed


def _lines(word: str, store: Store, path: str, root: str) -> Listing:
    def listing(ignored: Counter[str]) -> Iterator[Found]:
        paths = set()
        with store.open(path) as file:
            for line in file:
                name = line.decode("utf-8", "surrogateescape").removeprefix("\ufeff").strip()
                if not name or name.startswith("#"):
                    continue
                if "://" not in name:
                    name = _below(name, root)
                if name in paths:
                    ignored["repeated line"] += 1
                paths.add(name)
        if paths and all(_must_be_fetched(name, word) for name in paths):
            raise InputError(f"{word} is a list of URLs and pe downloads nothing; fetch it with img2dataset first")
        return _named(store, root, sorted(paths, key=sort_key), word)

    return listing


def _must_be_fetched(path: str, word: str) -> bool:
    """Whether a line is a web address, other than one of the server that the list itself comes from."""
    return any(scheme in path for scheme in _DOWNLOADS) and path.split("/")[:3] != word.split("/")[:3]


def _below(name: str, root: str) -> str:
    """A line's path relative to the list's folder, also when it is absolute: ids hold no absolute path."""
    if not name.startswith("/"):
        return posixpath.normpath(name)
    return posixpath.relpath(name, root if root.startswith("/") else f"/{root}")


def _named(store: Store, root: str, paths: list[str], word: str = "") -> Iterator[Found]:
    """Files by name; what is not there, or must not be fetched, has an error."""
    listed: dict[str, frozenset[str]] = {}
    for path in paths:
        if _must_be_fetched(path, word):
            yield Found(path, error=("not_downloaded", "pe downloads nothing; fetch it with img2dataset"))
            continue
        try:
            its_store, full = open_store(path) if "://" in path else (store, join(root, path))
            info = its_store.info(full)
        except (ConnectionError, TimeoutError):
            raise
        except FileNotFoundError:
            yield Found(path, error=("missing", "no such file"))
            continue
        except (OSError, ValueError, InputError) as error:
            yield Found(path, error=unreadable(error))
            continue
        if info.folder:
            yield Found(path, error=("unreadable", "a folder, not a file"))
            continue
        folder, name = posixpath.split(full)
        if folder not in listed:
            listed[folder] = its_store.names(folder)
        yield Found(path, max(info.size, 0), info.stamp, *beside(name, listed[folder]))
