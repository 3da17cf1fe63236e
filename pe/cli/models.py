"""`pe models`: known checkpoints, what is on this machine and what would be fetched."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the models that have a short name, which of them are on this machine, and what the others would fetch."""
    import json
    from dataclasses import asdict

    from pe.annotators.checkpoints import cache_dir, known_checkpoints, offline, where

    rows = []
    for known in known_checkpoints():
        path = where(known)
        here = sum(file.stat().st_size for file in path.glob("*.safetensors")) if path else 0
        fetch = known.url or known.hub or "make demo-models"
        row = {**asdict(known), "bytes": known.bytes or here, "cached": str(path) if path else "", "fetch": fetch}
        rows.append(row)
    if as_json:
        typer.echo(json.dumps({"cache": str(cache_dir()), "offline": offline(), "models": rows}, ensure_ascii=False))
        return
    table = [("NAME", "KIND", "ADAPTERS", "MB", "LICENCE", "WHERE")]
    for row in rows:
        place = row["cached"] or f"not here; from {row['fetch']}"
        size = f"{row['bytes'] / 1e6:,.0f}" if row["bytes"] else "?"
        table.append((row["name"], row["kind"], ", ".join(row["adapters"]), size, row["license"] or "?", place))
    widths = [max(len(line[column]) for line in table) for column in range(5)]
    for name, kind, adapter, size, licence, place in table:
        left = f"{name:{widths[0]}}  {kind:{widths[1]}}  {adapter:{widths[2]}}"
        typer.echo(f"{left}  {size:>{widths[3]}}  {licence:{widths[4]}}  {place}")
    typer.echo(f"\n{'Offline: nothing is fetched. ' if offline() else ''}Files are kept in {cache_dir()} (PE_CACHE).")
