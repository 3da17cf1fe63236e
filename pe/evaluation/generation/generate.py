"""Answers to the rows of shards, in one file that only grows."""

from __future__ import annotations

import time
from pathlib import Path

from pe.annotators.checkpoints import resolve
from pe.engines.produce import Reporter
from pe.engines.signals import Signals
from pe.errors import InputError
from pe.evaluation.generation.about import claim_answers
from pe.evaluation.generation.log import Log
from pe.evaluation.generation.place import alone, place
from pe.evaluation.generation.processes import run_processes
from pe.evaluation.generation.rows import all_there, count_rows
from pe.evaluation.generation.settings import GenerationSettings
from pe.evaluation.generation.share import make_share
from pe.shards.read import shards_of


def generate(model: str, shards: Path, out: Path, settings: GenerationSettings, report: Reporter | None = None) -> Path:
    """Have `model` answer every row of `shards` (an output folder of rl or sft samples, or one .tar); returns `out`.

    `out` gets a line an answer: {"key", "sample", "response", "tokens", "truncated"}, `tokens` left out where a server
    does not tell, `error` added where there is no answer. It is only appended to, by whole lines. Killed at any moment
    and called again, it goes on, and asks nothing twice. Beside it, OUT.about.json says what made the answers; those of
    another model, of other settings or to other rows are refused. More samples or more shards may be asked for.

    Under torchrun every process makes its share, and the first one returns when all are done. `model` is a folder, hub
    id or short name; with a URL the name that the server knows it by, "" for the only one.

    The same call gives the same answers on the same machine and device, whatever was killed and however many processes
    there are; with another batch size, tokens that are nearly as likely as each other may swap.

    Raises Interrupted after SIGINT or SIGTERM, InputError for what cannot be asked, TryLater when a server is down.
    """
    tars = shards_of(shards)
    here = place()
    with Signals() as signals, signals.at_once(), alone(out, here):
        asked = _identity(model, settings)
        log = Log(out)
        claim_answers(out, asked, tars, settings)
        total = count_rows(tars) * settings.samples
        if not total:
            raise InputError(f"{shards}: has no rows")
        if report is not None:
            report.started(total, len(tars))
            report.advanced(min(log.count, total), {})
        if settings.url:
            from pe.evaluation.generation.remote import ask_server

            ask_server(asked["model"], tars, log, settings, here, report)
        elif settings.workers > 1 and here.world == 1:
            run_processes(model, tars, out, settings, log, report)
        else:
            make_share(model, tars, out, settings, here, report)
        if here.rank == 0 and here.world > 1:
            _wait_for_others(log, tars, settings, report)
    return out


def is_first() -> bool:
    """Whether this is the process that goes on when the answers are there; under torchrun one of them."""
    return place().rank == 0


def _identity(model: str, settings: GenerationSettings) -> dict[str, str]:
    if settings.url:
        from pe.evaluation.generation.remote import server_model

        return {"model": server_model(model, settings)}
    info = resolve("transformers", model).info
    return {"model": info.model, "revision": info.revision, "sha256": info.sha256}


def _wait_for_others(log: Log, tars: list[Path], settings: GenerationSettings, report: Reporter | None) -> None:
    told = False
    while not all_there(tars, settings.samples, log):
        if not told and report is not None:
            report.note("waiting for the other processes")
            told = True
        time.sleep(0.5)
        log.refresh()
