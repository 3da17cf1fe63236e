"""Units by name: a unit's name is its module's name, found without importing it.

In a name, an underscore between digits is a dot and any other a hyphen: `qwen2_5_vl.py` is "qwen2.5-vl". Third parties
add theirs through the entry-point groups `pe.detectors`, `pe.segmenters`, `pe.captioners`, `pe.filters`, `pe.formats`,
`pe.metrics`, `pe.tasks`, `pe.verifiers`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import re
from pathlib import Path
from typing import Any

from pe.errors import InputError, MissingExtra

_HOMES = {
    "detectors": "annotators/detectors",
    "segmenters": "annotators/segmenters",
    "captioners": "annotators/captioners",
    "exports": "shards/exports",
    "filters": "engines/filters",
    "formats": "formats",
    "imports": "shards/imports",
    "metrics": "evaluation/metrics",
    "row_filters": "engines/mixes/filters",
    "tasks": "engines/tasks",
    "verifiers": "verifiers",
}


def names(kind: str) -> list[str]:
    """The sorted names of all units of `kind` (a key such as "detectors"), built in and installed."""
    home = Path(__file__).parent / _HOMES[kind]
    built_in = {unit_name(path.stem) for path in home.glob("*.py") if not path.stem.startswith("_")}
    return sorted(built_in | {point.name for point in importlib.metadata.entry_points(group=f"pe.{kind}")})


def unit_name(stem: str) -> str:
    """The name of the unit whose module is called `stem`."""
    return re.sub(r"(?<=\d)_(?=\d)", ".", stem).replace("_", "-")


def load(kind: str, name: str) -> Any:
    """The class or function of unit `name`: the one name in its module's `__all__`, or what the entry point names.

    Raises InputError with the nearest names for an unknown one.
    """
    home = Path(__file__).parent / _HOMES[kind]
    stem = re.sub(r"[-.]", "_", name)
    if re.fullmatch(r"[A-Za-z0-9]\w*", stem) and (home / f"{stem}.py").is_file():
        module = importlib.import_module(f"pe.{_HOMES[kind].replace('/', '.')}.{stem}")
        (public,) = module.__all__
        return getattr(module, public)
    for point in importlib.metadata.entry_points(group=f"pe.{kind}", name=name):
        return point.load()
    known = names(kind)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"no {kind[:-1]} is called {name!r}{hint} (known: {', '.join(known)})")


def require(what: str, extra: str, *modules: str) -> None:
    """Raise MissingExtra unless every one of `modules` can be found; nothing is imported."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtra(what, extra)
