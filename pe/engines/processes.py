"""Several workers, each a process of its own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from pe.engines.signals import SIGNALS, Signals
from pe.engines.worker import Job, Report, take_slices
from pe.errors import Interrupted, PeError
from pe.shards.output import Output

log = logging.getLogger(__name__)


def run_processes(job: Job, waiting: list[str], count: int, signals: Signals, take: Callable[[Report], None]) -> None:
    with _children(job, waiting, count) as (children, lines):
        first_error: BaseException | None = None
        stopping = False
        while lines:
            if signals.stop() and not stopping:
                stopping = True
                _terminate(children)
            for line in wait(list(lines), timeout=0.1):
                assert isinstance(line, Connection)
                worker = lines[line]
                try:
                    message: Report = line.recv()
                except (EOFError, OSError):
                    # Dead. The others go on: the slice that it had begun is free for them.
                    del lines[line]
                    children[worker].join()
                    first_error = first_error or PeError(_died(worker, children[worker].exitcode))
                    continue
                take(message)
                if message.ended:
                    del lines[line]
                if message.error is not None:
                    first_error = first_error or message.error
                    if not stopping and not isinstance(message.error, Interrupted):
                        stopping = True
                        _terminate(children)
        if signals.stop():
            raise Interrupted(signals.received)
        if first_error is not None:
            raise first_error


def _died(worker: int, exitcode: int | None) -> str:
    how = signal.Signals(-exitcode).name if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
    return f"worker {worker} died of {how} (SIGKILL is often the host's memory running out); run again to go on"


@contextmanager
def _children(job: Job, waiting: list[str], count: int) -> Iterator[tuple[list[BaseProcess], dict[Connection, int]]]:
    """The processes, and where each one's reports come in.

    Every worker has a pipe of its own and is stopped by a signal: a queue or an event that they all share has locks,
    and one that is killed while it holds such a lock would stop the others for good.
    """
    context = multiprocessing.get_context("spawn")
    resource_tracker.ensure_running()
    children: list[BaseProcess] = []
    every: list[Connection] = []
    try:
        for worker in range(count):
            ours, theirs = context.Pipe(duplex=False)
            every.append(ours)
            started = context.Process(target=_child, args=(job, waiting, worker, theirs), daemon=True)
            with theirs, _held_back():
                started.start()
            children.append(started)
        yield children, {line: worker for worker, line in enumerate(every)}
    except BaseException:
        _terminate(children)
        raise
    finally:
        for line in every:
            line.close()
        for child in children:
            child.join()


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait; a process that is started meanwhile inherits that, so that none meets it without its handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminate(children: list[BaseProcess]) -> None:
    for child in children:
        child.terminate()


def _child(job: Job, waiting: list[str], worker: int, reports: Connection) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    error: BaseException | None = None
    with Signals(patient=True) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            with signals.at_once():
                engine = job.build(job, Output(job.out), worker)
            take_slices(engine, job, waiting, worker, signals.stop, reports.send)
        except PeError as raised:
            error = raised
        except Exception as raised:
            if os.environ.get("PE_TRACEBACK"):
                log.exception("worker %d", worker)
            error = PeError(f"unexpected {type(raised).__name__}: {raised} (a defect; PE_TRACEBACK=1 shows where)")
        with suppress(OSError):
            reports.send(Report(worker, error=error, ended=True))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
