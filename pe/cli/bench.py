"""`pe bench`: this machine's own rates."""

from __future__ import annotations

from typing import Annotated

import typer


def bench(
    source: Annotated[
        str, typer.Argument(help="Measure on the JPEGs of this source; drawn pictures if left out.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this machine's decode, hash, tar and contour rates, the ceiling of any run."""
    from pe.engines.bench import measure

    rates = measure(source)
    typer.echo(rates.to_json() if json else rates.to_text())
