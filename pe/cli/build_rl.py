"""`pe build-rl`: annotated shards into prompts with verified rewards (RL)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def build_rl(
    mix: Annotated[str, typer.Argument(help="A YAML file with a section 'build_rl', or the name of one that ships.")],
    out: Annotated[Path, typer.Argument(help="The output folder.")],
    data: Annotated[str | None, typer.Option(help="Annotated shards for the sources that name none.")] = None,
    format: Annotated[str | None, typer.Option(help="The answer format of sources that name none.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows in all, by the sources' weights.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over everything, without --rows (1).")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, other rows and order (0).")] = None,
    part: Annotated[str | None, typer.Option(help="train or val, split by image (train).")] = None,
    holdout: Annotated[float | None, typer.Option(help="Share of the images that are val's (0).")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Counts the tokens of every row: a folder or hub id.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="An evaluation set whose pictures no row may show; repeatable.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes (1).")] = None,
    shard_inputs: Annotated[int | None, typer.Option(help="Most rows in a shard (1000).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what the mix would hold; write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Mix annotated shards into prompts with verified rewards (RL), by exact weights.

    pe build-rl mix.yaml out/ --data annotated/

    pe build-rl rexomni out/ --data annotated/ --rows 10000
    """
    from pe.cli._build import build_mix

    flags = {
        "data": data,
        "format": format,
        "rows": rows,
        "epochs": epochs,
        "seed": seed,
        "part": part,
        "holdout": holdout,
        "tokenizer": tokenizer,
        "exclude": exclude or None,
        "workers": workers,
        "shard_inputs": shard_inputs,
    }
    build_mix("rl", mix, out, flags, dry_run=dry_run, as_json=json)
