"""Files wherever fsspec can open them, and which store a word means."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pe.errors import InputError, SampleError
from pe.shards.sources.local import LocalStore
from pe.shards.sources.names import not_an_input, sort_key
from pe.shards.sources.stores import Found, Info, Store, Wanted, beside, check_size

_VERSIONS = ("ETag", "etag", "md5Hash", "checksum", "mtime", "LastModified", "last_modified", "updated", "created")
_LOCAL = LocalStore()


def open_store(word: str) -> tuple[Store, str]:
    """The store that `word`, a path or URL, lies in, and its path there; InputError for an unknown protocol."""
    scheme, separator, rest = word.partition("://")
    if not separator:
        return _LOCAL, str(Path(word).expanduser()) if word == "~" or word.startswith("~/") else word
    if scheme in ("file", "local"):
        return _LOCAL, rest
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(word)
    except Exception as error:  # each store has its own ways to say that it is not set up
        raise InputError(f"{word} cannot be opened: {(str(error) or type(error).__name__).splitlines()[0]}") from None
    return RemoteStore(file_system), path


class RemoteStore(Store):
    """Anything that fsspec can open."""

    def __init__(self, file_system: Any) -> None:
        self._fs = file_system

    def info(self, path: str) -> Info:
        with _os_errors():
            return _remote_info(self._fs.info(path))

    def open(self, path: str) -> BinaryIO:
        with _os_errors():
            file: BinaryIO = self._fs.open(path, "rb")
            return file

    def read(self, path: str, offset: int, size: int) -> bytes:
        with _os_errors():
            data: bytes = self._fs.cat_file(path, start=offset, end=offset + size)
        # A web server that knows no ranges sends the whole file.
        return data if len(data) <= size else data[offset : offset + size]

    def read_all(self, path: str, limit: int) -> bytes:
        check_size(self.info(path).size, limit)
        with _os_errors(), self._fs.open(path, "rb") as file:
            data: bytes = file.read(limit + 1)
        check_size(len(data), limit)
        return data

    def names(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(posixpath.basename(path.rstrip("/")) for path in self._fs.ls(folder, detail=False))
        except Exception:  # many stores cannot list, each in its own words
            return frozenset()

    def scan(self, root: str, wanted: Wanted | None, ignored: Counter[str]) -> Iterator[Found]:
        start = len(root.rstrip("/")) + 1
        with _os_errors():
            self._fs.invalidate_cache()
            files = {path[start:]: info for path, info in self._fs.find(root, detail=True).items()}
        folders: dict[str, set[str]] = {}
        for path in files:
            folder, _, name = path.rpartition("/")
            folders.setdefault(folder, set()).add(name)
        for path in sorted(files, key=sort_key):
            if wanted is not None and not wanted.keep(path):
                continue
            if label := not_an_input(path):
                ignored[label] += 1
                continue
            info = _remote_info(files[path])
            folder, _, name = path.rpartition("/")
            yield Found(path, max(info.size, 0), info.stamp, *beside(name, folders[folder]))


@contextmanager
def _os_errors() -> Iterator[None]:
    """Every store has errors of its own; here they become the system's, a lost connection apart from the rest."""
    try:
        yield
    except (OSError, SampleError):
        raise
    except Exception as error:
        kind = type(error).__name__
        text = str(error) or kind
        lost = "Connect" in kind or "Timeout" in kind
        raise (ConnectionError(text) if lost else OSError(text)) from None


def _remote_info(info: dict[str, Any]) -> Info:
    size = info.get("size")
    size = size if isinstance(size, int) else -1
    version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
    return Info(size, f"{size}:{version}" if version else f"{size}", info.get("type") == "directory")
