"""Files of this machine."""

from __future__ import annotations

import os
import stat
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pe.shards.sources.names import not_an_input, sort_key
from pe.shards.sources.stores import Found, Info, Store, Wanted, beside, check_size, unreadable

_HANDLES = 8


class LocalStore(Store):
    """Files of this machine; names that are not UTF-8 are surrogate-escaped."""

    def __init__(self) -> None:
        self._handles = _Handles()

    def info(self, path: str) -> Info:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise OSError("neither a file nor a folder")
        return Info(found.st_size, _stamp(found), stat.S_ISDIR(found.st_mode))

    def open(self, path: str) -> BinaryIO:
        return Path(path).open("rb")

    def read(self, path: str, offset: int, size: int) -> bytes:
        descriptor = self._handles.get(path)
        data = os.pread(descriptor, size, offset)
        while len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
            data += more
        return data

    def read_all(self, path: str, limit: int) -> bytes:
        # Without O_NONBLOCK a named pipe that has taken the file's place would stop the run.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError("not a regular file")
            check_size(found.st_size, limit)
            return file.readall()

    def names(self, folder: str) -> frozenset[str]:
        try:
            with os.scandir(folder or ".") as entries:
                return frozenset(entry.name for entry in entries)
        except OSError:
            return frozenset()

    def scan(self, root: str, wanted: Wanted | None, ignored: Counter[str]) -> Iterator[Found]:
        home = os.path.realpath(root)
        seen = {_identity(Path(root).stat())}
        stack = [_listing(root, "")]
        while stack:
            entry, path, names = next(stack[-1], (None, "", frozenset()))
            if entry is None:
                stack.pop()
                continue
            label = not_an_input(entry.name)
            if label == "hidden":
                ignored[label] += 1
                continue
            try:
                if entry.is_dir():
                    if wanted is not None and not wanted.enter(path):
                        continue
                    identity = _identity(entry.stat())
                    if identity in seen or (entry.is_symlink() and _listed_anyway(entry.path, home, wanted)):
                        ignored["symlink"] += 1
                        continue
                    seen.add(identity)
                    stack.append(_listing(entry.path, f"{path}/"))
                    continue
                if wanted is not None and not wanted.keep(path):
                    continue
                if label:
                    ignored[label] += 1
                elif entry.is_file():
                    found = entry.stat()
                    yield Found(path, found.st_size, _stamp(found), *beside(entry.name, names))
                elif entry.is_symlink() and not Path(entry.path).exists():
                    yield Found(path, error=("missing", "a symbolic link to nothing"))
                else:
                    ignored["special"] += 1
            except OSError as error:
                yield Found(path, error=unreadable(error))


class _Descriptor:
    """An open file that is closed with the last reference to it."""

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class _Handles(threading.local):
    """The last few files that this thread reads from. Reads are positional, so a fork may share them."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, _Descriptor] = OrderedDict()

    def get(self, path: str) -> int:
        file = self._files.pop(path, None) or _Descriptor(path)
        self._files[path] = file
        if len(self._files) > _HANDLES:
            self._files.popitem(last=False)
        return file.number


def _listing(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str] | None, str, frozenset[str]]]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: sort_key(entry.name))
    names = frozenset(entry.name for entry in listed)
    return iter([(entry, prefix + entry.name, names) for entry in listed])


def _listed_anyway(link: str, home: str, wanted: Wanted | None) -> bool:
    """Whether following a link to a folder would list what is listed by its own path, or lead out at the root."""
    target = os.path.realpath(link)
    if home == target or home.startswith(target.rstrip("/") + "/"):
        return True
    below = target.startswith(home + "/")
    return below and wanted is None and not_an_input(target[len(home) + 1 :]) != "hidden"


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_size}:{found.st_mtime_ns}"
