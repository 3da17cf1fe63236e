"""`pe train`: rows in, a better model out."""

from __future__ import annotations

import json as jsonlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pe.training.settings import TrainSettings

_EVERY_SECONDS = 10.0


def train(
    run: Annotated[str, typer.Argument(help="A YAML file with a section 'train', or the name of one that ships.")],
    data: Annotated[
        list[str] | None, typer.Option(help="sft or rl shards, for the stages of their kind; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; the same command goes on there.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only the stages of this kind: sft or grpo.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N (auto).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it takes, draw the first batch, stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a vision-language model on rows: supervised, then by rewards.

    pe train run.yaml --data sft/ --data rl/ --out runs/one

    Killed, the same command goes on from the last checkpoint, to the same weights.
    """
    from pe.errors import ConfigError
    from pe.schemas.settings import load_settings, presets
    from pe.training.run import train as train_all
    from pe.training.run import with_data
    from pe.training.settings import TrainSettings

    if stage not in (None, "sft", "grpo"):
        raise ConfigError([f"--stage is sft or grpo, not {stage!r}"])
    flags = {"out": out, "device": device}
    if run in presets("train"):
        settings = load_settings(TrainSettings, "train", flags, preset=run)
    else:
        settings = load_settings(TrainSettings, "train", flags, config=Path(run))
    settings = with_data(settings, data or [])
    if dry_run:
        _print_plans(settings, stage, json)
        return
    results = train_all(settings, stage, _Progress())
    if os.environ.get("RANK", "0") != "0":
        return
    if json:
        rows = [
            {"stage": item.name, "folder": str(item.folder), "before": item.before, **item.facts} for item in results
        ]
        typer.echo(jsonlib.dumps({"out": str(settings.out), "stages": rows}))
        return
    for item in results:
        last = item.facts["last"]
        shown = [f"{name} {last[name]:.4g}" for name in ("loss", "reward") if last.get(name) is not None]
        state = "finished before" if item.before else f"{item.facts['seconds']:.0f} s"
        typer.echo(f"{item.name}: {item.facts['steps']:,} steps, {', '.join([*shown, state])}, {item.folder / 'model'}")


def _print_plans(settings: TrainSettings, stage: str | None, json: bool) -> None:
    from pe.training.run import chosen_stages, prepare

    stages = [chosen for _, chosen in chosen_stages(settings, stage)]
    prepare(settings)
    from pe.training.checks.dry_run import dry_run

    plans = dry_run(settings, stages, int(os.environ.get("WORLD_SIZE", "1")))
    if json:
        typer.echo(jsonlib.dumps({"out": str(settings.out), "stages": [plan.table() for plan in plans]}))
        return
    for plan in plans:
        for line in plan.lines():
            typer.echo(line)


class _Progress:
    """A line on standard error now and then: one JSON object a line where it is no terminal."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, stage: str, step: int, steps: int, figures: Mapping[str, Any]) -> None:
        for note in figures.get("notes", ()):
            typer.echo(f"pe: {stage}: {note}", err=True)
        if "notes" in figures:
            return
        now = time.monotonic()
        if now - self._last < _EVERY_SECONDS and step < steps:
            return
        self._last = now
        shown = {name: figures[name] for name in ("loss", "reward", "learning_rate") if figures.get(name) is not None}
        if sys.stderr.isatty():
            text = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
            typer.echo(f"{stage}: step {step:,} of {steps:,}, {text}", err=True)
        else:
            line = {"event": "step", "stage": stage, "step": step, "steps": steps, **shown}
            typer.echo(jsonlib.dumps(line), err=True)
