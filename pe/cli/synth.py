"""`pe synth`: scenes with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synth(
    out: Annotated[Path, typer.Argument(help="The output folder; asking for more scenes later adds to it.")],
    scenes: Annotated[int | None, typer.Option(help="How many scenes (1000).")] = None,
    profile: Annotated[str | None, typer.Option(help="base, crowd, dense, language or text (base).")] = None,
    split: Annotated[str | None, typer.Option(help="train, test or kept_out (train).")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, other scenes (0).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that draw (1).")] = None,
    shard_inputs: Annotated[int | None, typer.Option(help="Most scenes in a shard (1000).")] = None,
    data_source: Annotated[str | None, typer.Option(help="Its name in every record.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file with a section 'synth'.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw scenes and write them as annotated shards: boxes, masks, rings, phrases, captions, expressions, text.

    pe synth out/ --scenes 1000 --seed 1 --split test

    pe annotate 'out/shards/*.tar' labelled/ --preset demo --phrases field:phrases

    The split kept_out holds the colours of shapes, and the words, that the others never show.
    """
    from pe.cli._progress import reporter
    from pe.engines.synthetic.engine import synth as run
    from pe.engines.synthetic.settings import SynthSettings
    from pe.schemas.settings import load_settings

    flags = {
        "out": out,
        "scenes": scenes,
        "profile": profile,
        "split": split,
        "seed": seed,
        "workers": workers,
        "shard_inputs": shard_inputs,
        "data_source": data_source,
    }
    settings = load_settings(SynthSettings, "synth", flags, config=config)
    with reporter() as progress:
        summary = run(settings, progress)
    typer.echo(summary.to_json() if as_json else summary.to_text())
