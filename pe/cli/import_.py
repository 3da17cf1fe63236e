"""`pe import`: the annotations of another tool's layout as shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    source: Annotated[Path, typer.Argument(help="The annotation file, or the folder that holds it.")],
    out: Annotated[Path, typer.Argument(help="The output folder; a later run adds what is new.")],
    layout: Annotated[
        str, typer.Option("--from", help="coco, lvis, yolo, refcoco, imagefolder, rows; d3, visdrone ...")
    ],
    images: Annotated[
        str | None, typer.Option(help="Where the pictures are (images/ beside the file, or all below it).")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only these referring expressions, or this folder.")] = None,
    negatives: Annotated[
        bool | None,
        typer.Option("--negatives/--no-negatives", help="Take what a file does not show for absent (on)."),
    ] = None,
    epsilon: Annotated[float | None, typer.Option(help="Ring simplification, share of perimeter (0.005).")] = None,
    orientation: Annotated[str | None, typer.Option(help="cw, ccw or simpleseg-compat (cw).")] = None,
    simplify: Annotated[str | None, typer.Option(help="dp (Douglas-Peucker) or fit (dp).")] = None,
    respect_opt_out: Annotated[
        bool | None, typer.Option("--respect-opt-out/--ignore-opt-out", help="Leave out what asks for it (on).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that take slices (1).")] = None,
    shard_inputs: Annotated[int | None, typer.Option(help="Most inputs a shard covers (1000).")] = None,
    data_source: Annotated[str | None, typer.Option(help="Its name in every record (SOURCE/LAYOUT).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring annotations of another tool into annotated shards, every picture accounted for.

    pe import coco/annotations/instances_val2017.json out/ --from coco --images coco/val2017

    pe import refs.jsonl out/ --from refcoco --images train2014/

    pe import geometry3k.parquet out/ --from rows

    Rows are questions with answers, for the task qa: parquet, JSON lines or a JSON array of verl, TRL, LLaVA, VLM-R1.
    """
    from pe.cli._progress import reporter
    from pe.engines.import_settings import ImportSettings
    from pe.engines.importing import import_annotations
    from pe.engines.taking_over import RowSettings, take_over
    from pe.schemas.settings import load_settings

    flags = {
        "source": source,
        "out": out,
        "layout": layout,
        "images": images,
        "split": split,
        "negatives": negatives,
        "epsilon": epsilon,
        "orientation": orientation,
        "simplify": simplify,
        "respect_opt_out": respect_opt_out,
        "workers": workers,
        "shard_inputs": shard_inputs,
        "data_source": data_source,
    }
    with reporter() as progress:
        if layout == "rows":
            summary = take_over(load_settings(RowSettings, "import", {**flags, "layout": None}), progress)
        else:
            summary = import_annotations(load_settings(ImportSettings, "import", flags), progress)
    typer.echo(summary.to_json() if as_json else summary.to_text())
    if summary.too_many_quarantined:
        raise typer.Exit(3)
