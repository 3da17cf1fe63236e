"""The page says of every recipe what it is, and prints what the commands print."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from pe.cli.recipes import recipes
from pe.recipes.shipped import recipe_names

PAGE = (Path(__file__).parents[2] / "docs/recipes.md").read_text("utf-8")


def test_the_list_on_the_page_is_what_is_printed() -> None:
    printed = CliRunner().invoke(recipes, ["list"])
    assert printed.exit_code == 0
    assert printed.output in PAGE


def test_every_recipe_and_every_twin_has_its_place() -> None:
    for name in recipe_names():
        assert f"| `{name}` |" in PAGE if name.endswith("-small") else f"### {name} (arXiv" in PAGE
