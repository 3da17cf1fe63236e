"""`pe score`: responses scored by the samples they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    responses: Annotated[Path, typer.Argument(help="JSON lines of key, response and, if known, tokens.")],
    against: Annotated[
        Path, typer.Option(metavar="SHARDS", help="An output folder of rl or annotated samples, or one .tar.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write a line a response here, a line a data source beside it.")
    ] = None,
    progress: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the training is done, for schedules.")
    ] = 1.0,
    max_missing: Annotated[
        float, typer.Option(min=0, max=1, help="End with 3 above this share of missing scores.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a model's responses with the verifiers that the samples name, by data source.

    pe score responses.jsonl --against rl/ --out scores.jsonl
    """
    import json

    from pe.evaluation.response_table import report_text
    from pe.evaluation.responses import score_responses, sources_path
    from pe.verifiers.service.wire import one_line

    def complain(number: int, problem: str) -> None:
        typer.echo(f"pe: {responses}: line {number}: {one_line(problem)}", err=True)

    report = score_responses(responses, against, out, progress, complain)
    typer.echo(json.dumps(report.as_dict(), ensure_ascii=False) if as_json else report_text(report))
    if out is not None:
        typer.echo(f"wrote {out} and {sources_path(out)}", err=True)
    if report.missing_share > max_missing:
        typer.echo(f"pe: {report.missing_share:.1%} of the scores are missing, more than {max_missing:.1%}", err=True)
    if report.bad_lines:
        raise typer.Exit(2)
    if report.missing_share > max_missing:
        raise typer.Exit(3)
