"""`pe show`: one sample in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    out: Annotated[Path, typer.Argument(help="The output folder.")],
    key: Annotated[str, typer.Argument(help="The sample's key, or enough of its beginning.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as one JSON object.")] = False,
) -> None:
    """Print one sample: its record, its objects, what was dropped, and the picture where there are colours."""
    import json

    from rich.console import Console

    from pe.reports.pick import find_key, open_output
    from pe.reports.terminal import print_sample
    from pe.shards.read import read_sample

    folder = open_output(str(out))
    sample, image = read_sample(folder, find_key(folder, key))
    if as_json:
        typer.echo(json.dumps(sample.model_dump(mode="json")))
    else:
        print_sample(Console(highlight=False), sample, image)
