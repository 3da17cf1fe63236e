"""`pe run`: the sections of one file, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    file: Annotated[Path, typer.Argument(help="A YAML file with sections such as synth, build_sft, train, eval.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder that its paths are relative to (the file's name).")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="The section to start with.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")] = False,
) -> None:
    """Run the sections of a file in its order: each is the command of its name, a list several runs of it.

    pe run recipe.yaml --out runs/first

    What is done and unchanged is left out, what was interrupted goes on. What a command printed is in OUT/recipe.
    """
    run_file(file, out, start, dry_run)


def run_file(file: Path, out: Path | None, start: str, dry_run: bool) -> None:
    """Run the recipe in `file`; raises typer.Exit with the exit code of the first step that fails."""
    from pe.recipes.plan import read_recipe
    from pe.recipes.sequence import run_recipe

    recipe = read_recipe(file)
    code = run_recipe(recipe, (out or Path(file.stem)).absolute(), start=start, dry=dry_run, say=typer.echo)
    if code:
        raise typer.Exit(code)
