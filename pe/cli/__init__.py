"""The `pe` command: one file a subcommand; nothing heavy is imported before a subcommand runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pe.cli.annotate import annotate
from pe.cli.bench import bench
from pe.cli.build_rl import build_rl
from pe.cli.build_sft import build_sft
from pe.cli.eval import evaluate
from pe.cli.export import export
from pe.cli.formats import formats
from pe.cli.import_ import import_
from pe.cli.mine import mine
from pe.cli.models import models
from pe.cli.recipes import recipes
from pe.cli.run import run
from pe.cli.score import score
from pe.cli.score_labels import score_labels
from pe.cli.serve import serve
from pe.cli.show import show
from pe.cli.synth import synth
from pe.cli.train import train
from pe.cli.verifiers import verifiers
from pe.cli.verify import verify
from pe.cli.view import view

app = typer.Typer(
    name="pe",
    help="Perception dataset engines: images in, verified training data out.",
    no_args_is_help=True,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(annotate, synth, build_sft, build_rl, mine, train, export, score, score_labels),
    *(serve, run, verify, view, show, models, bench),
)
for command in COMMANDS:
    app.command()(command)
app.command("eval")(evaluate)
app.command("import")(import_)
app.add_typer(formats, name="formats")
app.add_typer(verifiers, name="verifiers")
app.add_typer(recipes, name="recipes")


def _version(wanted: bool) -> None:
    if wanted:
        from pe import __version__

        typer.echo(f"pe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; errors raised on purpose become one line and their exit code."""
    from pe.errors import ConfigError, PeError

    try:
        app(prog_name="pe")
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        raise SystemExit(error.exit_code) from None
    except PeError as error:
        _complain(str(error))
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        if os.environ.get("PE_TRACEBACK"):
            raise
        _complain(f"unexpected {type(error).__name__}: {error} (a defect; PE_TRACEBACK=1 shows where)")
        raise SystemExit(1) from None


def _complain(message: str) -> None:
    text = " ".join(message.split())
    typer.echo(f"pe: {''.join(char if char.isprintable() else '?' for char in text)}", err=True)
