"""Where in a source its annotation file and its pictures are."""

from __future__ import annotations

from pathlib import Path

from pe.errors import InputError


def one_file(source: Path, patterns: tuple[str, ...], what: str) -> Path:
    """`source` when it is a file, else the one file in it (or in its `annotations`) that the first pattern to match any
    finds. Raises InputError where there is none or several.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise InputError(f"{source}: no such file or folder ({what})")
    for pattern in patterns:
        found = sorted({*source.glob(pattern), *source.glob(f"annotations/{pattern}")})
        if len(found) > 1:
            names = ", ".join(path.name for path in found[:6])
            raise InputError(f"{source}: several annotation files ({names}); name the one to import")
        if found:
            return found[0]
    raise InputError(f"{source}: there is no {what} in it")


def pictures_of(file: Path, given: str) -> str:
    """The word that names the pictures: what was given, else `images` beside the file or one level up, else all below.

    A file in a folder called `annotations` belongs to the folder above.
    """
    if given:
        return given
    home = file.parent.parent if file.parent.name == "annotations" else file.parent
    return str(home / "images" if (home / "images").is_dir() else home)
