"""`pe mine`: how hard rl rows are for a model, and those that are worth training on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mine(
    model: Annotated[str, typer.Argument(help="A folder, hub id or short name; with --url the server's name for it.")],
    out: Annotated[Path, typer.Argument(help="The output folder for the rows that are kept.")],
    on: Annotated[Path, typer.Option(metavar="SHARDS", help="An output folder of rl rows, or one .tar.")],
    samples: Annotated[int | None, typer.Option(help="Answers a row (8).")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="pass-rate:above=0,below=1 (the default), reward-sum:min=2,max=10, greedy-wrong; repeatable."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="falcon-hd, v-triune-boxes or v-triune-reasoning.")] = None,
    pass_at: Annotated[float | None, typer.Option(help="The least reward of a right answer (0.5).")] = None,
    component: Annotated[
        str | None, typer.Option(help="The component that is the reward (default: the score).")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE over the verifiers' parameters, such as threshold=0.5.")
    ] = None,
    greedy: Annotated[bool | None, typer.Option(help="Ask for a greedy answer as well (default: yes).")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the samples (1).")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Most tokens of an answer (1024).")] = None,
    answers: Annotated[Path | None, typer.Option(help="Answers to use and add to (default: OUT/cache).")] = None,
    url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server; else the model runs here.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at a time (8).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Answers at a time (8).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; on several GPUs one a GPU (1).")] = None,
    device: Annotated[str | None, typer.Option(help="auto (the default), cpu, cuda or cuda:i.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the weights (default: theirs; on a CPU float32).")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file with a section 'mine'.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how hard rl rows are for a model by its own answers, and keep those worth training on.

    pe mine model/ mined/ --on rl/ --samples 8

    pe mine qwen2.5-vl-7b mined/ --on rl/ --url http://localhost:8000/v1 --preset v-triune-boxes
    """
    from rich.console import Console

    from pe.cli._progress import reporter
    from pe.evaluation.mining import MineSettings
    from pe.evaluation.mining import mine as run
    from pe.schemas.settings import load_settings

    flags = {
        "model": model,
        "on": on,
        "out": out,
        "samples": samples,
        "keep": keep or None,
        "pass_at": pass_at,
        "component": component,
        "params": param or None,
        "greedy": greedy,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "answers": answers,
        "url": url,
        "concurrency": concurrency,
        "batch_size": batch_size,
        "workers": workers,
        "device": device,
        "dtype": dtype,
    }
    settings = load_settings(MineSettings, "mine", flags, config=config, preset=preset or "")
    with reporter() as progress:
        summary = run(settings, progress)
    if summary is None:
        return
    if json:
        typer.echo(summary.to_json())
    else:
        width = None if typer.get_text_stream("stdout").isatty() else 200
        Console(width=width, highlight=False).print(summary.to_table())
        typer.echo(summary.run.to_text())
    if summary.run.too_many_quarantined:
        raise typer.Exit(3)
