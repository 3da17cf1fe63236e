"""`pe formats`: answer formats, and any text or objects through them."""

from __future__ import annotations

from typing import Annotated

import typer

formats = typer.Typer(
    no_args_is_help=True, help="Answer formats: list them, show one, and turn objects into text and back."
)

Name = Annotated[str, typer.Argument(help="A format (`pe formats list`).")]
ImageSize = Annotated[tuple[int, int], typer.Option(metavar="W H", help="Pixels of the stored image.")]
InputSize = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="W H", help="Pixels of what the model sees; by its own rule if absent."),
]


@formats.command("list")
def list_formats(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the formats: what they write, and their coordinates."""
    import json

    from pe.formats import describe
    from pe.registry import names

    rows = [describe(name) for name in names("formats")]
    if as_json:
        typer.echo(json.dumps({"formats": rows}, ensure_ascii=False))
        return
    widths = [max(len(str(row[key])) for row in rows) for key in ("name", "writes")]
    for row in [{"name": "NAME", "writes": "WRITES", "coordinates": "COORDINATES"}, *rows]:
        typer.echo(f"{row['name']:{widths[0]}}  {row['writes']:{widths[1]}}  {row['coordinates']}")


@formats.command()
def show(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show one format: its grammar, coordinates, rounding and tokens, and where it is from.

    pe formats show rexomni
    """
    import json

    from pe.formats import describe

    row = describe(name)
    if as_json:
        typer.echo(json.dumps(row, ensure_ascii=False))
        return
    width = max(map(len, row))
    for key, value in row.items():
        typer.echo(f"{key:{width}}  {value or '-'}")


@formats.command()
def encode(name: Name, image_size: ImageSize, input_size: InputSize = None) -> None:
    """Turn objects (JSON on standard input) into the text of a format.

    echo '[{"phrase": "cat", "bbox": [10, 20, 200, 300]}]' | pe formats encode rexomni --image-size 640 480
    """
    from pe.formats import from_json
    from pe.registry import load

    answer = from_json(typer.get_text_stream("stdin").read())
    typer.echo(load("formats", name)().encode(answer, image_size, input_size))


@formats.command()
def decode(
    name: Name,
    image_size: ImageSize,
    input_size: InputSize = None,
    asked: Annotated[str, typer.Option(help="The phrase or question that was asked.")] = "",
) -> None:
    """Turn a model's text (on standard input) into objects in pixels of the stored image, as JSON.

    pe formats decode auto --image-size 640 480 < answer.txt
    """
    from pe.formats import to_json
    from pe.registry import load

    text = typer.get_binary_stream("stdin").read().decode("utf-8", "replace")
    typer.echo(to_json(load("formats", name)().decode(text, image_size, input_size, asked)))
