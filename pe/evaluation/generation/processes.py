"""The shares of a model that runs here, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from pe.engines.produce import Reporter
from pe.engines.signals import Signals
from pe.errors import Interrupted, PeError
from pe.evaluation.generation.log import Log
from pe.evaluation.generation.place import Place
from pe.evaluation.generation.settings import GenerationSettings
from pe.evaluation.generation.share import make_share

_LOOK = 0.3


def run_processes(
    model: str, tars: Sequence[Path], out: Path, settings: GenerationSettings, log: Log, report: Reporter | None
) -> None:
    """Start `settings.workers` processes and wait for them; the first error of any ends them all."""
    context = multiprocessing.get_context("spawn")
    children: list[tuple[SpawnProcess, Connection]] = []
    try:
        for rank in range(settings.workers):
            ours, theirs = context.Pipe(duplex=False)
            here = Place(rank, settings.workers, rank)
            child = context.Process(target=_child, args=(model, list(tars), out, settings, here, theirs), daemon=True)
            child.start()
            theirs.close()
            children.append((child, ours))
        while any(child.is_alive() for child, _ in children):
            for rank, (child, line) in enumerate(children):
                child.join(_LOOK / len(children))
                if child.exitcode is not None:
                    _raise_its_error(rank, child, line)
            _advance(log, report)
        for rank, (child, line) in enumerate(children):
            _raise_its_error(rank, child, line)
        _advance(log, report)
    finally:
        for child, _ in children:
            child.kill()
            child.join()


def _advance(log: Log, report: Reporter | None) -> None:
    before = log.count
    log.refresh()
    if report is not None and log.count > before:
        report.advanced(log.count - before, {})


def _raise_its_error(rank: int, child: SpawnProcess, line: Connection) -> None:
    if not child.exitcode:
        return
    try:
        error = line.recv() if line.poll() else None
    except (EOFError, OSError):
        error = None
    if isinstance(error, BaseException):
        raise error
    raise PeError(
        f"process {rank} died with exit code {child.exitcode} (-9 is often the host's memory running out); "
        "run again to go on"
    )


def _child(
    model: str, tars: list[Path], out: Path, settings: GenerationSettings, here: Place, line: Connection
) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    error: PeError
    with Signals(patient=True) as signals:
        try:
            with signals.at_once():
                make_share(model, tars, out, settings, here, None)
            return
        except Interrupted as raised:
            error = raised
        except PeError as raised:
            error = raised
        except Exception as raised:
            if os.environ.get("PE_TRACEBACK"):
                raise
            error = PeError(f"unexpected {type(raised).__name__}: {raised} (a defect; PE_TRACEBACK=1 shows where)")
    line.send(error)
    raise SystemExit(1)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
