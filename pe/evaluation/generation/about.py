"""What answers were made with, beside them, so that no file ever holds those of two models."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pe.errors import DamageError, InputError
from pe.evaluation.generation.settings import GenerationSettings
from pe.schemas.sample import dumps
from pe.shards.output import disk_errors, write_whole
from pe.shards.sidecar import Sidecar

About = dict[str, Any]


def about_path(out: Path) -> Path:
    """Where it stands: responses.about.json beside responses.jsonl."""
    return out.with_name(f"{out.stem}.about.json")


def read_about(out: Path) -> About:
    """What is said of the answers in `out`: model, settings, shards; empty where nothing is."""
    path = about_path(out)
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DamageError(f"{path}: cannot be read ({error}): remove it and {out.name}, and run again") from None
    if not isinstance(value, dict) or not isinstance(value.get("shards"), dict):
        raise DamageError(f"{path}: is of another form: remove it and {out.name}, and run again")
    return value


def claim_answers(out: Path, model: dict[str, str], tars: Sequence[Path], settings: GenerationSettings) -> About:
    """Say beside `out` what its answers are made with, and return it.

    Raises InputError when it holds those of another model, of other settings, or to other rows. Shards may be new.
    """
    shards = {tar.stem: Sidecar.load(tar.with_suffix(".json"), index=False).sha256 for tar in tars}
    about = {"model": model, "settings": settings.answers_config(), "shards": shards}
    with disk_errors(out):
        handle = os.open(out, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = read_about(out)
        empty = not os.fstat(handle).st_size
        if not before and not empty:
            raise InputError(f"{out}: nothing says what made its answers ({about_path(out).name} is not there)")
        changed = _changed(before, about) if before else ""
        if changed and not empty:
            raise InputError(f"{out}: holds answers made with {changed}; name another folder or remove them")
        if before and not changed:
            about["shards"] = {**before["shards"], **shards}
        if about != before:
            write_whole(about_path(out), dumps(about).encode() + b"\n")
    finally:
        os.close(handle)
    return about


def _changed(before: About, now: About) -> str:
    if before.get("model") != now["model"]:
        return f"the model {_model(before.get('model'))}, not {_model(now['model'])}"
    for name, value in now["settings"].items():
        if (old := before.get("settings", {}).get(name)) != value:
            return f"{name} {old}, not {value}"
    if any(before["shards"].get(name, sha256) != sha256 for name, sha256 in now["shards"].items()):
        return "other rows"
    return ""


def _model(value: Any) -> str:
    if not isinstance(value, dict):
        return repr(value)
    sha256 = str(value.get("sha256") or "")[:12]
    return f"{value.get('model')}{f' ({sha256})' if sha256 else ''}"
