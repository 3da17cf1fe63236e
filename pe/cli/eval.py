"""`pe eval`: a model, or its responses, against the truth of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|RESPONSES", help="JSON lines of key and response; or a folder or hub id.")
    ],
    on: Annotated[
        Path, typer.Option(metavar="SHARDS", help="An output folder of rl or annotated samples, or one .tar.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the tables here, and the responses of a model.")] = None,
    samples: Annotated[
        int | None, typer.Option(help="Responses a sample: best of them beside their mean (all).")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Names with commas (all that apply).")] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="RESPONSES", help="Other responses to the same samples, or the folder of another run: side by side."
        ),
    ] = None,
    scenes: Annotated[
        Path | None, typer.Option(help="Annotated shards that know what else is in the pictures.")
    ] = None,
    resamples: Annotated[int | None, typer.Option(help="Bootstrap draws for intervals; 0: none (1000).")] = None,
    seed: Annotated[int | None, typer.Option(help="Of sampled responses and of the bootstrap (0).")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the model's responses (0; 1 for several).")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Most tokens of a response (1024).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Responses at a time (8).")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:i (auto).")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the model's weights (auto).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that run the model (1).")] = None,
    url: Annotated[str | None, typer.Option(help="Ask this OpenAI-compatible server.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file with a section 'eval'.")] = None,
    preset: Annotated[str, typer.Option(help="Settings that ship.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Evaluate responses by the samples they answer: metrics with 95 % intervals, by data source.

    pe eval responses.jsonl --on rl/

    pe eval my-model/ --on rl/ --out evaluation/ --samples 8

    pe eval after.jsonl --on rl/ --compare before.jsonl
    """
    from pe.evaluation.eval_settings import EvalSettings
    from pe.schemas.settings import load_settings

    flags = {
        "samples": samples,
        "metrics": metrics,
        "scenes": scenes,
        "resamples": resamples,
        "seed": seed,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "batch_size": batch_size,
        "device": device,
        "dtype": dtype,
        "workers": workers,
        "url": url,
    }
    settings = load_settings(EvalSettings, "eval", flags, config=config, preset=preset)

    import json

    from pe.cli._progress import reporter
    from pe.errors import InputError
    from pe.evaluation.compare import compare as compare_runs
    from pe.evaluation.eval_figures import result
    from pe.evaluation.eval_table import comparison_markdown, result_markdown
    from pe.evaluation.evaluate import evaluate as run
    from pe.evaluation.lines import written
    from pe.evaluation.truth import load_truth
    from pe.shards.output import disk_errors
    from pe.verifiers.service.wire import one_line

    if compare is not None and compare.is_dir():
        compare = compare / "responses.jsonl"
    responses = Path(model)
    if not responses.is_file():
        if out is None:
            raise InputError(
                f"{model}: not a file of responses; for a model name the folder of its responses: --out DIR"
            )
        from pe.evaluation.by_key import check_kind
        from pe.evaluation.generation import generate, is_first

        # Before hours of answers, not after them.
        check_kind(on)
        if settings.scenes is not None:
            load_truth(settings.scenes)
        if compare is not None and not compare.is_file():
            raise InputError(f"--compare {compare}: no responses are there")
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        with reporter() as progress:
            responses = generate(model, on, out / "responses.jsonl", settings.generation(), progress)
        if not is_first():
            return

    def complain(number: int, problem: str) -> None:
        typer.echo(f"pe: line {number}: {one_line(problem)}", err=True)

    found = run(responses, on, settings, complain)
    table, tables = result(found, settings.resamples, settings.seed), {}
    tables["evaluation"] = (table.as_dict(), result_markdown(table))
    damaged = found.counts["bad_lines"]
    if compare is not None:
        other = run(compare, on, settings, complain)
        damaged += other.counts["bad_lines"]
        difference = compare_runs(other, found, settings.resamples, settings.seed)
        text = comparison_markdown(difference, found, str(compare), str(responses))
        tables["comparison"] = (difference.as_dict(), text)
    if out is not None:
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        for name, (values, text) in tables.items():
            for path, content in ((out / f"{name}.json", json.dumps(values, indent=1)), (out / f"{name}.md", text)):
                with written(path) as stream:
                    if stream is not None:
                        stream.write(content + "\n")
    if as_json:
        values = {name: value for name, (value, _) in tables.items()}
        typer.echo(json.dumps(values["evaluation"] | {"comparison": values.get("comparison")}))
    else:
        typer.echo(tables["comparison" if compare is not None else "evaluation"][1])
    if out is not None:
        typer.echo(f"wrote {', '.join(str(out / f'{name}.md') for name in tables)} (and .json)", err=True)
    if damaged:
        raise typer.Exit(2)
