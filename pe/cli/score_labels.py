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
    min_score: Annotated[float, typer.Option(help="Leave out labels of a lower score.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score labels against ground truth: precision, recall, AP, IoU of masks and rings, borders, captions.

    pe score-labels labelled/ --truth world/

    pe score-labels out/ --truth instances_val2017.json --json
    """
    import json
    import shutil
    from dataclasses import asdict

    from pe.evaluation.labels import score_labels as run

    score = run(shards, truth, min_score)
    if as_json:
        typer.echo(json.dumps(asdict(score)))
        return
    from rich.console import Console

    from pe.evaluation.table import quality_tables

    # Below 110 columns rich would cut the numbers; a pipe has no width of its own.
    console = Console(highlight=False, width=max(110, shutil.get_terminal_size((160, 24)).columns))
    console.print(quality_tables(score, phrases), markup=False)
