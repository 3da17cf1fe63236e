"""Checkpoints that are whole: one without its mark was cut by a kill and is never gone on from."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from pe.errors import DamageError
from pe.shards.output import disk_errors, sync_folder, write_whole

MARK = "whole.json"


def step_of(folder: Path) -> int:
    """N of "checkpoint-N"."""
    return int(folder.name.rpartition("-")[2])


def seal(folder: Path, state: dict[str, Any]) -> None:
    """Write `folder` out to the disk and mark it as whole, with what transformers' own files do not hold."""
    with disk_errors(folder):
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(folder)
    write_whole(folder / MARK, json.dumps(state).encode())


def last_whole(folder: Path) -> Path | None:
    """The newest whole checkpoint in `folder`; those that are not whole are removed."""
    found = [path for path in folder.glob("checkpoint-*") if path.is_dir() and path.name[11:].isdigit()]
    for path in found:
        if not (path / MARK).is_file():
            shutil.rmtree(path, ignore_errors=True)
    whole = [path for path in found if (path / MARK).is_file()]
    return max(whole, key=step_of, default=None)


def state_of(checkpoint: Path) -> dict[str, Any]:
    """What `seal` was given. Raises DamageError."""
    try:
        return dict(json.loads((checkpoint / MARK).read_bytes()))
    except (OSError, ValueError) as error:
        raise DamageError(
            f"{checkpoint / MARK}: damaged: {error}; remove {checkpoint.name} to go on before it"
        ) from None
