"""`pe verifiers`: rewards, and any response through one."""

from __future__ import annotations

from typing import Annotated

import typer

verifiers = typer.Typer(no_args_is_help=True, help="Verifiers: list them, show one, and score responses with one.")

Name = Annotated[str, typer.Argument(help="A verifier (`pe verifiers list`).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@verifiers.command("list")
def list_verifiers(as_json: AsJson = False) -> None:
    """List the verifiers: how they behave, the shapes they compare, and their components."""
    import json

    from pe.registry import names
    from pe.verifiers.use.describe import describe

    rows = [describe(name) for name in names("verifiers")]
    if as_json:
        typer.echo(json.dumps({"verifiers": rows}, ensure_ascii=False))
        return
    table = [("NAME", "BEHAVIOUR", "SHAPES", "COMPONENTS")]
    table += [
        (row["name"], row["behaviour"], ", ".join(row["shapes"]) or "-", *[", ".join(row["components"])])
        for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    for name, behaviour, shapes, components in table:
        typer.echo(f"{name:{widths[0]}}  {behaviour:{widths[1]}}  {shapes:{widths[2]}}  {components}")


@verifiers.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one verifier: its formula, where it is from, and its parameters with types and defaults.

    pe verifiers show detection
    """
    import json

    from pe.verifiers.use.describe import describe

    row = describe(name)
    if as_json:
        typer.echo(json.dumps(row, ensure_ascii=False))
        return
    parameters, about = row.pop("parameters"), row.pop("parameters_about")
    for key, value in [*row.items(), ("parameters", about)]:
        typer.echo(f"{key:10}  {(', '.join(value) if isinstance(value, list) else value) or '-'}")
    width = max(len(item["name"]) for item in parameters)
    for item in parameters:
        default = json.dumps(item["default"], ensure_ascii=False) if "default" in item else "(required)"
        typer.echo(f"  {item['name']:{width}}  {default}  ({item['type']})")


@verifiers.command()
def score(
    name: Name,
    params: Annotated[str, typer.Option(metavar="JSON", help="The verifier's parameters.")] = "{}",
    weights: Annotated[
        str, typer.Option(metavar="JSON", help="{component: weight}; the first component alone.")
    ] = "{}",
) -> None:
    """Score responses: JSON lines on standard input, one score a line on standard output.

    A line has response, ground_truth and image_size, and may have input_size, progress, tokens, params and weights.

    echo '{"response": "[0, 0, 10, 10]", "ground_truth": {"objects": [{"bbox": [0, 0, 10, 10]}]},
    "image_size": [1000, 1000]}' | pe verifiers score detection
    """
    from pe.errors import InputError
    from pe.verifiers import panel
    from pe.verifiers.service.wire import one_line, write_score
    from pe.verifiers.use.lines import score_line

    panel(name, params)
    bad = 0
    for number, line in enumerate(typer.get_binary_stream("stdin"), 1):
        text = line.decode("utf-8", "replace")
        if not text.strip():
            continue
        try:
            typer.echo(write_score(score_line(text, name, params, weights)))
        except InputError as error:
            bad += 1
            typer.echo(f"pe: line {number}: {one_line(error)}", err=True)
    if bad:
        raise typer.Exit(2)
