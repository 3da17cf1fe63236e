"""`pe recipes`: the published systems as files, from data to a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

recipes = typer.Typer(no_args_is_help=True, help="Recipes: list, show, copy, validate and run them.")

Word = Annotated[str, typer.Argument(help="A recipe (`pe recipes list`) or a file.")]


@recipes.command("list")
def list_recipes(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the recipes that ship: their steps, and what they are."""
    import json

    from pe.recipes.plan import read_recipe
    from pe.recipes.shipped import recipe_names, recipe_path

    rows = []
    for name in recipe_names():
        recipe = read_recipe(recipe_path(name))
        steps = list(dict.fromkeys(step.section for step in recipe.steps))
        rows.append({"name": name, "title": recipe.header.title, "source": recipe.header.source, "sections": steps})
    if as_json:
        typer.echo(json.dumps({"recipes": rows}))
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        typer.echo(f"{row['name']:{width}}  {row['title']} ({', '.join(row['sections'])})")


@recipes.command()
def show(recipe: Word) -> None:
    """Print a recipe with its comments.

    pe recipes show vlm-r1
    """
    from pe.recipes.shipped import recipe_path

    typer.echo(recipe_path(recipe).read_text("utf-8"), nl=False)


@recipes.command()
def copy(
    recipe: Word, to: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")]
) -> None:
    """Copy a recipe to a file of one's own.

    pe recipes copy rex-omni mine.yaml
    """
    from pe.errors import DiskError, InputError
    from pe.recipes.shipped import recipe_path

    data = recipe_path(recipe).read_bytes()
    try:
        with to.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise InputError(f"{to}: it is there already; name another file") from None
    except OSError as error:
        raise DiskError(f"{to}: cannot be written: {error.strerror}") from None
    typer.echo(f"{to}: edit it, then pe recipes validate {to}")


@recipes.command()
def validate(
    recipe: Annotated[list[str], typer.Argument(help="Recipes or files; all that ship if none is named.")] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a recipe without a GPU: its names are real, its paths are made or named, its sizes add up.

    pe recipes validate mine.yaml
    """
    import json

    from pe.errors import ConfigError, InputError
    from pe.recipes.plan import read_recipe
    from pe.recipes.shipped import recipe_names, recipe_path
    from pe.recipes.validate import faults

    found: dict[str, list[str]] = {}
    for word in recipe or recipe_names():
        try:
            found[word] = faults(read_recipe(recipe_path(word)))
        except ConfigError as error:
            found[word] = error.problems
        except InputError as error:
            found[word] = [str(error).removeprefix(f"{word}: ")]
    if as_json:
        typer.echo(json.dumps({"recipes": found}))
    for word, problems in found.items():
        for problem in problems:
            typer.echo(f"pe: {word}: {problem}", err=True)
        if not problems and not as_json:
            typer.echo(f"{word}: valid")
    if any(found.values()):
        raise typer.Exit(2)


@recipes.command()
def run(
    recipe: Word,
    out: Annotated[Path | None, typer.Option(help="The folder that its paths are relative to (its name).")] = None,
    start: Annotated[str, typer.Option("--from", help="The section to start with.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")] = False,
) -> None:
    """Run a recipe, as `pe run` does a file.

    pe recipes run vlm-r1-small --out runs/vlm-r1-small
    """
    from pe.cli.run import run_file
    from pe.recipes.shipped import recipe_path

    run_file(recipe_path(recipe), out, start, dry_run)
