"""What a step saw and made, so that it is done once: paths by their content's names, sizes and times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path
from typing import Any

from pe import __version__
from pe.recipes.plan import Step
from pe.schemas.sample import dumps
from pe.shards.output import Output, write_whole

_LONGEST = 1000


def state_of(step: Step, home: Path) -> dict[str, Any]:
    """The settings of `step`, and every path in them that is there, relative to `home`; not what it writes itself."""
    words = sorted(set(_words(step.settings)) - {step.out})
    return {
        "pe": __version__,
        "settings": step.settings,
        "inputs": {word: found for word in words if (found := fingerprint(word, home))},
    }


def is_done(step: Step, home: Path, note: Path) -> bool:
    """Whether `note` says that `step` ended well with this very state, and what it made is as it was then."""
    try:
        noted = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return False
    now = _noted(step, home)
    return bool(now["made"] or not step.out) and bool(noted == json.loads(dumps(now)))


def note_done(step: Step, home: Path, note: Path) -> None:
    """Write down that `step` ended well."""
    write_whole(note, dumps(_noted(step, home)).encode())


def _noted(step: Step, home: Path) -> dict[str, Any]:
    return {**state_of(step, home), "made": fingerprint(step.out, home) if step.out else ""}


def fingerprint(word: str, home: Path) -> str:
    """What the path or glob `word` holds, as a digest; "" where nothing is there.

    Of an output folder of `pe` that is its shards with their sidecars, which hold the hash of each. Raises DamageError
    where one of them is gone.
    """
    try:
        path = Path(word).expanduser()
        if not has_magic(word):
            paths = [home / path]
        elif path.is_absolute():
            paths = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        else:
            paths = sorted(home.glob(word))
        lines = [line for path in paths for line in _lines(path)]
    except (OSError, ValueError, RuntimeError):  # the last for ~nobody
        return ""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16] if lines else ""


def _lines(path: Path) -> Iterator[str]:
    if path.is_file():
        files = [path]
    elif (path / "plan.jsonl").is_file():
        Output(path).shards()  # a command has nothing to do where its sidecars are, so that it would not miss a tar
        files = sorted(item for item in (path / "shards").iterdir() if item.suffix in (".json", ".tar"))
        yield "shards"
    else:
        files = sorted(item for item in path.rglob("*") if item.is_file())
    for file in files:
        found = file.stat()
        yield f"{file.relative_to(path)} {found.st_size} {found.st_mtime_ns}"


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, str) and value and len(value) < _LONGEST and "\n" not in value:
        yield value
