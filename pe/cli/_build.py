"""What `pe build-sft` and `pe build-rl` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import typer


def build_mix(
    kind: Literal["sft", "rl"], mix: str, out: Path, flags: dict[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    """Build or preview the mix in the file `mix`, or the one that ships under that name."""
    from rich.console import Console

    from pe.cli._progress import reporter
    from pe.engines.mixes.build import build, preview
    from pe.engines.mixes.settings import MixSettings
    from pe.errors import InputError
    from pe.schemas.settings import load_settings, presets

    command = f"build_{kind}"
    given = {"kind": kind, "out": out, **flags}
    if mix in presets(command):
        settings = load_settings(MixSettings, command, given, preset=mix)
    else:
        settings = load_settings(MixSettings, command, given, config=Path(mix))
    with reporter() as progress:
        summary = preview(settings, progress) if dry_run else build(settings, progress)
    if as_json:
        typer.echo(summary.to_json())
    else:
        width = None if typer.get_text_stream("stdout").isatty() else 200
        Console(width=width, highlight=False).print(summary.to_table())
        for line in summary.notes():
            typer.echo(line)
    if not summary.taken:
        raise InputError(f"{mix}: no source gives a row; the table counts what was dropped, and why")
    if summary.too_many_quarantined:
        raise typer.Exit(3)
