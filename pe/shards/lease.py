"""Exclusive leases between processes: flock on OUT/leases/NAME.

The kernel gives a lock back the moment its holder dies, however it dies, so no lease is ever stale.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pe.errors import DiskError
from pe.shards.output import Output

_held: set[Lease] = set()


class Lease:
    """A held lease; leaving the `with` block, or `release`, gives it back."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        _held.add(self)

    def release(self) -> None:
        """Give the lease back; a second call does nothing."""
        if self._handle < 0:
            return
        _held.discard(self)
        # Removed while still locked: whoever opened it meanwhile sees another inode than the path's and tries again.
        with suppress(OSError):
            self.path.unlink()
        self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        os.close(handle)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _forget_in_child() -> None:
    # A forked child shares the lock; were it to live longer than its parent, the lease would stay taken.
    for lease in list(_held):
        lease._close()
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def _lock(path: Path, flags: int) -> int | None:
    """A locked descriptor of the file that is at `path` now, None when another process has it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def lease(output: Output, name: str) -> Lease | None:
    """Take lease `name`, or None when another process (or this one) holds it. Never waits.

    Raises DiskError when the filesystem has no locks or cannot be written to.
    """
    path = output.leases_dir / name
    try:
        handle = _lock(path, os.O_CREAT)
        if handle is None:
            return None
        taken = Lease(path, handle)
        # Only for people to read; the lock alone decides.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.write(handle, f"{socket.gethostname()} {os.getpid()}\n".encode())
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise DiskError(
                f"{path}: this filesystem has no file locks (flock); put the output on one that has"
            ) from error
        raise DiskError(f"cannot take the lease {path}: {error.strerror}; mend that and run again") from error
    return taken


def claim(output: Output, name: str) -> Lease | None:
    """The lease of slice `name` when there is work to do on it; None when it is held or already committed."""
    taken = lease(output, name)
    if taken is not None and output.is_committed(name):
        taken.release()
        return None
    return taken


def holder(output: Output, name: str) -> str:
    """Who holds lease `name`, as "HOST pid PID" for a message; "" when nobody does."""
    path = output.leases_dir / name
    try:
        handle = _lock(path, 0)
        if handle is not None:
            os.close(handle)
            return ""
        host, _, pid = path.read_text().strip().partition(" ")
    except OSError:
        return ""
    return f"{host} pid {pid}" if pid else "another process"


def sweep(output: Output) -> int:
    """Remove the lease files that killed runs left behind; returns how many there were."""
    removed = 0
    for path in output.leases_dir.iterdir():
        with suppress(OSError):
            handle = _lock(path, 0)
            if handle is not None:
                Lease(path, handle).release()
                removed += 1
    return removed
