"""`pe export`: shards in the layout of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    shards: Annotated[Path, typer.Argument(help="An output folder of pe, or one shard's .tar.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    to: Annotated[
        str,
        typer.Option(
            help="Rows: verl, v-triune, trl, swift, llama-factory, easyr1. Annotated: coco, yolo, imagefolder. "
            "Both: hf, webdataset, energon."
        ),
    ],
    split: Annotated[str, typer.Option(help="The split that these samples are.")] = "train",
    name: Annotated[str, typer.Option(help="The set's name on its card (OUT's).")] = "",
    url: Annotated[str, typer.Option(help="Where the set is published, for croissant.json.")] = "",
    creator: Annotated[str, typer.Option(help="Who publishes it, for croissant.json.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write shards in the layout of another tool, with a dataset card and Croissant metadata.

    pe export out/ coco/ --to coco --split val

    pe export rl/ verl/ --to verl

    OUT appears when it is whole. What the layout cannot hold is counted, one line each.
    """
    from pe.cli._progress import reporter
    from pe.shards.exports import export as run

    with reporter() as progress:
        summary = run(
            shards,
            out,
            to,
            split=split,
            name=name,
            url=url,
            creator=creator,
            started=progress.started,
            advanced=lambda samples: progress.advanced(samples, {}),
        )
    typer.echo(summary.to_json() if as_json else summary.to_text())
