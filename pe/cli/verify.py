"""`pe verify`: is anything damaged, and what is still safe?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pe.shards.verify import Report


def verify(
    path: Annotated[Path, typer.Argument(metavar="OUT", help="An output folder, or one shard's .tar.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find any damage in OUT and say which samples are safe. Ends with 0 when all is whole, 3 when something is not."""
    import json
    from dataclasses import asdict

    from pe.errors import DamageError
    from pe.shards.output import Output
    from pe.shards.verify import Report, verify_output, verify_shard

    if path.is_dir() or not path.exists():
        report = verify_output(Output(path))
    else:
        shard = verify_shard(path)
        report = Report(shards=[shard])
        report.summary.shards, report.summary.samples = 1, shard.samples
    if as_json:
        value = {
            "whole": report.whole,
            "problems": report.problems,
            "damaged": [asdict(shard) for shard in report.damaged],
            "notes": report.notes,
            "summary": asdict(report.summary),
        }
        typer.echo(json.dumps(value))
    else:
        for line in [*report.problems, *(shard.line() for shard in report.damaged)]:
            typer.echo(line)
        for line in report.notes:
            typer.echo(f"note: {line}")
        typer.echo(_total(report))
    if not report.whole:
        raise DamageError(
            f"{path}: {len(report.damaged)} of {len(report.shards)} shards are damaged"
            + (" and plan.jsonl" if report.problems else "")
            + "; delete a damaged shard's .tar and .json, and the same command as before makes it again"
        )


def _total(report: Report) -> str:
    total = report.summary
    text = f"{len(report.shards):,} shards, {total.samples:,} samples, {total.bytes / 2**20:,.1f} MiB"
    if total.inputs:
        filtered, quarantined = sum(total.filtered.values()), sum(total.quarantined.values())
        text += (
            f"; {total.inputs:,} inputs = {total.written:,} written + {filtered:,} filtered "
            f"+ {total.duplicate:,} duplicates + {quarantined:,} quarantined"
        )
    return f"{text}: {'whole' if report.whole else 'damaged'}"
