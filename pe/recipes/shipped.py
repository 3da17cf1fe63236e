"""The recipes that ship, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from pe.errors import InputError

_HOME = Path(__file__).parent


def recipe_names() -> list[str]:
    """Their names, sorted."""
    return sorted(path.stem for path in _HOME.glob("*.yaml"))


def recipe_path(word: str) -> Path:
    """The file that `word` means: a path, or the name of a recipe that ships. Raises InputError."""
    if word in recipe_names():
        return _HOME / f"{word}.yaml"
    path = Path(word)
    if path.is_file():
        return path
    near = difflib.get_close_matches(word, recipe_names(), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"{word}: no such file, and no recipe is called so{hint} (known: {', '.join(recipe_names())})")
