"""docs/answer_formats.md says of every format what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pe.formats import describe
from pe.registry import names

DOCS = (Path(__file__).parents[2] / "docs" / "answer_formats.md").read_text()


def row(name: str) -> str:
    """The line of the table for a format."""
    said = {key: value.replace("|", "\\|") for key, value in describe(name).items()}
    coordinates = f"{said['coordinates']}; {said['rounding']}".removesuffix("; read only").removesuffix("; none")
    coordinates = coordinates.replace("<", "\\<")
    grammar = f"```` {said['grammar']} ````" if "`" in said["grammar"] else f"`{said['grammar']}`"
    tokens = f"`{said['tokens']}`" if said["tokens"] else "-"
    return f"| `{name}` | {grammar} | {coordinates} | {said['writes']} | {tokens} |"


@pytest.mark.parametrize("name", names("formats"))
def test_every_format_has_its_row(name: str) -> None:
    assert row(name) in DOCS.splitlines()


def test_no_row_is_of_an_unknown_format() -> None:
    listed = [line.split("`")[1] for line in DOCS.splitlines() if line.startswith("| `") and line.count(" | ") == 4]
    assert sorted(listed) == names("formats")


@pytest.mark.parametrize("name", [name for name in names("formats") if name.endswith("-compat")])
def test_every_compat_format_has_its_differences(name: str) -> None:
    assert f"- `{name}`: " in DOCS
