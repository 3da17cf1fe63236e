"""Which process of how many this one is, and that no other one does the same."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pe.errors import InputError
from pe.shards.output import disk_errors


@dataclass(frozen=True)
class Place:
    """Process `rank` of `world`; `local` counts on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0


def place() -> Place:
    """What torchrun says in RANK, WORLD_SIZE and LOCAL_RANK; the only process without it."""
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        found = Place(rank, world, int(os.environ.get("LOCAL_RANK", rank)))
    except (KeyError, ValueError):
        return Place()
    return found if 0 <= rank < world else Place()


@contextmanager
def alone(out: Path, here: Place) -> Iterator[None]:
    """Raises InputError while another process makes the same share of the answers in `out`."""
    path = out.with_name(f".{out.name}.{here.rank}.lock")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{out}: another process is writing these answers; wait for it, or end it") from None
        if not path.exists() or not os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            raise InputError(f"{out}: another process has just written these answers; run again")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
