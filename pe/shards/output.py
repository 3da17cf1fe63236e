"""The output folder: where everything lies, what is committed, and the only ways a file gets written there.

shards/PLAN-SLICE.tar, shards/PLAN-SLICE.json   a shard and its sidecar, which is the commit record
plan.jsonl                                      append-only: which input is in which slice
ledger/PLAN-SLICE.jsonl                         one line an input: what became of it
quarantine/PLAN-SLICE.jsonl                     the inputs that could not be used, and why
leases/                                         who is at work right now
cache/                                          replies of models behind a URL
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pe.errors import DamageError, DiskError, InputError
from pe.shards.sidecar import Sidecar

_FOLDERS = ("shards", "ledger", "quarantine", "leases", "cache")
_PLAN_START = b'{"plan":"'
_NOT_CONTENT = {"lost+found", "Thumbs.db"}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing at `path` into a DiskError of one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            cause = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
            raise DiskError(f"{cause}: {path}; nothing partial is kept, make room and run again") from error
        what = error.strerror or str(error)
        raise DiskError(f"cannot write {path}: {what}; nothing partial is kept, mend that and run again") from error


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Write every byte of `data` to a file descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def temp_path(path: Path) -> Path:
    """The temporary file that becomes `path`; one per name, as only the lease's holder writes it."""
    return path.with_name(f".{path.name}.tmp")


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole or not at all, and durably. Raises DiskError."""
    temp = temp_path(path)
    try:
        with disk_errors(path):
            handle = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                write_all(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
            temp.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)


@dataclass
class Summary:
    """All committed sidecars added up: inputs = written + filtered + duplicate + quarantined."""

    shards: int = 0
    samples: int = 0
    bytes: int = 0
    inputs: int = 0
    written: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    duplicate: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)

    def add(self, sidecar: Sidecar) -> None:
        """Count one shard."""
        self.shards += 1
        self.samples += sidecar.samples
        self.bytes += sidecar.bytes
        self.inputs += sidecar.inputs
        self.written += sidecar.counts.written
        self.filtered = _added(self.filtered, sidecar.counts.filtered)
        self.duplicate += sidecar.counts.duplicate
        self.quarantined = _added(self.quarantined, sidecar.counts.quarantined)


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))


class Output:
    """An output folder, by path alone: nothing is touched before `create`.

    Raises InputError for a URL, a file, and a non-empty folder that `pe` did not make.
    """

    def __init__(self, root: str | Path) -> None:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(root)):
            raise InputError(f"{root}: the output has to be a local folder; write it here and copy it there afterwards")
        if not str(root):
            raise InputError("the output folder's name is empty")
        self.root = Path(root).absolute()
        self.shards_dir, self.ledger_dir, self.quarantine_dir, self.leases_dir, self.cache_dir = (
            self.root / name for name in _FOLDERS
        )
        self.plan_path = self.root / "plan.jsonl"
        try:
            self._refuse_foreign()
        except OSError as error:
            raise InputError(f"{self.root}: cannot be used as an output folder: {error.strerror}") from error

    def _refuse_foreign(self) -> None:
        if not self.root.exists():
            return
        if not self.root.is_dir():
            raise InputError(f"{self.root} is a file; name a folder, new or empty, for the output")
        if self.plan_path.is_file():
            with self.plan_path.open("rb") as stream:
                head = stream.read(len(_PLAN_START))
            if not _PLAN_START.startswith(head):
                raise InputError(f"{self.plan_path} is not a plan of pe; name a new or empty folder for the output")
            return
        content = [path.name for path in self.root.iterdir() if path.name[0] != "." and path.name not in _NOT_CONTENT]
        if content:
            raise InputError(
                f"{self.root} is not empty and not an output folder of pe (it has {min(content)} and no plan.jsonl); "
                "name one, or a new or empty folder to make one"
            )

    @property
    def exists(self) -> bool:
        """Whether the folder has been created as an output folder."""
        return self.plan_path.is_file()

    def create(self) -> Output:
        """Make the folder and its parts, where they are missing. Raises InputError when it cannot be written to."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # First of all, as it marks the folder as ours: a run killed right after it can go on.
            with self.plan_path.open("ab"):
                pass
            for name in _FOLDERS:
                (self.root / name).mkdir(exist_ok=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskError(f"the disk is full: {self.root}; make room and run again") from error
            raise InputError(f"{self.root}: cannot write there: {error.strerror}") from error
        writable = os.access(self.shards_dir, os.W_OK | os.X_OK) and os.access(self.leases_dir, os.W_OK | os.X_OK)
        if not writable:
            raise InputError(f"{self.root}: cannot write there: Permission denied")
        return self

    def tar_path(self, name: str) -> Path:
        """Where shard `name` (PLAN-SLICE) lies."""
        return self.shards_dir / f"{name}.tar"

    def sidecar_path(self, name: str) -> Path:
        """Where the sidecar of shard `name` lies."""
        return self.shards_dir / f"{name}.json"

    def ledger_path(self, name: str) -> Path:
        """Where the ledger of slice `name` lies."""
        return self.ledger_dir / f"{name}.jsonl"

    def quarantine_path(self, name: str) -> Path:
        """Where the quarantine of slice `name` lies, if it has any."""
        return self.quarantine_dir / f"{name}.jsonl"

    def is_committed(self, name: str) -> bool:
        """Whether slice `name` is done: its sidecar is there."""
        return self.sidecar_path(name).exists()

    def committed(self) -> list[str]:
        """The names of all committed slices, sorted; one without any written sample has no tar."""
        return sorted(path.stem for path in self.shards_dir.glob("*.json") if path.name[0] != ".")

    def shards(self) -> list[Path]:
        """The tars of all committed shards, sorted: those a loader should read. DamageError where one is gone."""
        found = []
        for name in self.committed():
            tar = self.tar_path(name)
            if tar.exists():
                found.append(tar)
            elif lost := Sidecar.load(self.sidecar_path(name), index=False).samples:
                raise DamageError(f"{tar}: is gone, with {lost:,} committed samples; put it back, or see pe verify")
        return found

    def summary(self) -> Summary:
        """All committed sidecars added up. Raises DamageError for one that cannot be read."""
        total = Summary()
        for name in self.committed():
            total.add(Sidecar.load(self.sidecar_path(name), index=False))
        return total

    def require_free(self, size: int) -> None:
        """Raise DiskError unless `size` bytes and a few files more fit on the disk."""
        with disk_errors(self.root):
            free = shutil.disk_usage(self.root).free
            state = os.statvfs(self.root)
        if free < size:
            raise DiskError(
                f"{self.root}: {free / 2**20:,.0f} MiB are free and {size / 2**20:,.0f} MiB are needed; "
                "make room and run again"
            )
        if state.f_files and state.f_favail < 16:
            raise DiskError(f"{self.root}: the filesystem can hold no more files; make room and run again")
