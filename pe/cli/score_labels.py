"""`pe score-labels`: labels against ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score_labels(
    shards: Annotated[Path, typer.Argument(help="An output folder of annotated samples, or one shard's .tar.")],
    truth: Annotated[Path, typer.Option(help="An output folder or .tar, COCO or LVIS JSON, YOLO data.yaml or labels.")],
    phrases: Annotated[
        int, typer.Option(min=0, help="Most phrases in the table, the most frequent first; 0: all.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score labels against ground truth: precision, recall, AP, IoU of masks and rings, borders, captions.

    pe score-labels labelled/ --truth world/

    pe score-labels out/ --truth instances_val2017.json --json
    """
    import json
    import sys

    from rich.console import Console

    from pe.evaluation.labels import score_labels as run
    from pe.evaluation.table import quality_table

    score = run(shards, truth)
    if as_json:
        typer.echo(json.dumps(score.as_dict()))
    else:
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print(quality_table(score, phrases), markup=False)
