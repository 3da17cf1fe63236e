"""A run of `pe annotate`: plan what is new, hand its slices to processes, add up what became of every input."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from pe import registry
from pe.engines.devices import cores, device_of_worker, free_cached_memory, resolve_device
from pe.engines.filters._base import build_filters
from pe.engines.grounding import GroundingEngine, Outcome, OutOfMemoryError
from pe.engines.outside import without_output
from pe.engines.phrases import asked_phrases, is_field
from pe.engines.settings import AnnotateSettings, config_hash
from pe.engines.stages import Stages
from pe.engines.summary import Preview, RunSummary
from pe.errors import InputError, Interrupted, PeError
from pe.shards.lease import claim, holder, sweep
from pe.shards.output import Output
from pe.shards.plan import Slice, extend_plan, load_plan, unplanned
from pe.shards.sidecar import Sidecar
from pe.shards.sources import open_source
from pe.shards.writer import ShardWriter

log = logging.getLogger(__name__)

_TORCH_ADAPTERS = {"groundingdino", "transformers", "sam"}
_REPORT_SECONDS = 0.5
_ORPHAN_SECONDS = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Reporter(Protocol):
    """Where a run says how far it is."""

    def planning(self, inputs: int) -> None: ...
    def started(self, inputs: int, slices: int) -> None: ...
    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(frozen=True)
class _Job:
    """What a worker needs to know; sent to its process."""

    settings: AnnotateSettings
    config_hash: str
    device: str
    threads: int


@dataclass
class _Report:
    """What a worker says between slices and once in a while within one."""

    worker: int
    inputs: int = 0
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    slices: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: BaseException | None = None
    ended: bool = False


def preview(settings: AnnotateSettings) -> Preview:
    """What a run would do; reads names and no image, writes nothing."""
    job = _job(settings)
    output = Output(settings.out)
    source = without_output(open_source(settings.source), settings.source, output.root)
    entries = list(unplanned(output, source))
    plan = load_plan(output) if output.exists else None
    waiting = sum(not output.is_committed(name) for name in plan.names) if plan else 0
    return Preview(
        source=settings.source,
        new_inputs=len(entries),
        new_bytes=sum(entry.size for entry in entries),
        first_inputs=[entry.id for entry in entries[:10]],
        ignored=dict(sorted(source.ignored.items())),
        planned_inputs=plan.inputs if plan else 0,
        unfinished_slices=waiting,
        new_slices=-(-len(entries) // settings.shard_inputs),
        device=job.device,
        config_hash=job.config_hash,
        stages={name: _words(settings, name) for name in ("detector", "segmenter", "captioner")},
    )


def annotate(settings: AnnotateSettings, report: Reporter) -> RunSummary:
    """Annotate what is new in the source, and what earlier runs left; returns this run's accounts.

    Raises Interrupted after SIGINT or SIGTERM; all that is committed stays and the same call goes on from there.
    """
    since = time.monotonic()
    with _Signals() as signals:
        job = _job(settings)
        settings = job.settings
        output = Output(settings.out)
        source = without_output(open_source(settings.source), settings.source, output.root)

        def planned(seen: int, new: int) -> None:
            if signals.stop():
                raise Interrupted(signals.received)
            report.planning(seen)

        engine = None
        if settings.workers == 1:
            with signals.at_once():
                engine = _engine(job, output, 0)
        plan = extend_plan(
            output,
            source,
            settings.labels_config(job.device),
            job.config_hash,
            settings.shard_inputs,
            settings.shard_mb * 2**20,
            on_progress=planned,
        )
        waiting = [name for name in plan.names if not output.is_committed(name)]
        report.started(sum(len(plan.slice(name).inputs) for name in waiting), len(waiting))
        stages = Stages()
        done = _run_workers(job, waiting, engine, signals, report, stages) if waiting else []
        sweep(output)
    left = {name: holder(output, name) for name in waiting if not output.is_committed(name)}
    return RunSummary.of(
        output, done, left=left, ignored=source.ignored, seconds=time.monotonic() - since, stages=stages.as_dict()
    )


def _job(settings: AnnotateSettings) -> _Job:
    chosen = {kind: getattr(settings, kind) for kind in ("detector", "segmenter", "captioner")}
    for kind, name in chosen.items():
        if name != "none":
            registry.load(f"{kind}s", name)
    if chosen["detector"] == "none":
        raise InputError("--detector none leaves nothing to annotate; name a detector")
    build_filters(settings.filters)
    asked = asked_phrases(settings.phrases)
    if asked is None and registry.load("detectors", settings.detector).needs_phrases:
        raise InputError(f"--detector {settings.detector} needs --phrases: 'cat, traffic light', a file or field:NAME")
    device = resolve_device(settings.device, not _TORCH_ADAPTERS.isdisjoint(chosen.values()))
    data_source = settings.data_source or f"{source_name(settings.source)}/grounding"
    settings = settings.model_copy(update={"data_source": data_source})
    if asked is not None and not is_field(settings.phrases):
        # What a file says now holds for the whole run and for the hash, wherever the file lies.
        settings = settings.model_copy(update={"phrases": asked({})})
    threads = settings.threads or max(1, cores() // settings.workers)
    return _Job(settings, config_hash(settings.labels_config(device)), device, threads)


def source_name(word: str) -> str:
    """A short name for a source: the last part of its path that is a name, without suffixes or wildcards."""
    parts = [part for part in word.partition("://")[2].split("/") or [] if part] if "://" in word else []
    parts = parts or [part for part in Path(word).expanduser().absolute().parts if part != "/"]
    for part in reversed(parts):
        if not any(char in part for char in "*?[{"):
            stem = part.partition(".")[0] or part
            return "".join(char if char.isalnum() or char in "-_" else "_" for char in stem)
    return "images"


def _words(settings: AnnotateSettings, stage: str) -> str:
    model = getattr(settings, f"{stage}_model")
    return f"{getattr(settings, stage)}{f' ({model})' if model else ''}"


class _HaltError(BaseException):
    """Raised out of a signal handler; no library's `except Exception` takes it for a failure of its own."""


class _Signals:
    """SIGINT and SIGTERM ask for an orderly stop; the second one ends the process at once.

    A worker (`patient`) is told by SIGTERM alone and often twice: by its parent, and by whoever stops them all.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.received = 0
        self._patient = patient
        self._at_once = False
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def stop(self) -> bool:
        return self._event.is_set()

    def _handle(self, signum: int, frame: object) -> None:
        if self._event.is_set():
            if not self._patient:
                os._exit(128 + signum)
            return
        self.received = signum
        self._event.set()
        if self._at_once:
            raise _HaltError

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, the first signal raises Interrupted wherever the main thread is: loading a model takes long."""
        try:
            self._at_once = True
            if self.stop():
                raise _HaltError
            yield
        except _HaltError:
            raise Interrupted(self.received) from None
        finally:
            self._at_once = False

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                ignored = self._patient and signum == signal.SIGINT
                self._before[signum] = signal.signal(signum, signal.SIG_IGN if ignored else self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        # A worker's last act is to leave here: its handlers stay, or a late Ctrl-C would print a traceback.
        for signum, handler in self._before.items() if not self._patient else ():
            signal.signal(signum, handler)


def _run_workers(
    job: _Job,
    waiting: list[str],
    engine: GroundingEngine | None,
    signals: _Signals,
    report: Reporter,
    stages: Stages,
) -> list[str]:
    """Annotate the waiting slices; returns the names of those that this run committed."""
    done: list[str] = []
    latest: dict[int, dict[str, dict[str, float]]] = {}

    def take(message: _Report) -> None:
        done.extend(message.slices)
        latest[message.worker] = message.stages or latest.get(message.worker, {})
        for note in message.notes:
            report.note(note)
        if message.inputs:
            report.advanced(message.inputs, _added(latest.values()))

    try:
        if engine is not None:
            _take_slices(engine, job, waiting, 0, signals.stop, take)
        else:
            _run_processes(job, waiting, min(job.settings.workers, len(waiting)), signals, take)
    except Interrupted:
        raise Interrupted(signals.received or signal.SIGINT) from None
    for counted in latest.values():
        stages.merge(counted)
    return done


def _added(parts: Any) -> dict[str, dict[str, float]]:
    total = Stages()
    for part in parts:
        total.merge(part)
    return total.as_dict()


def _engine(job: _Job, output: Output, worker: int) -> GroundingEngine:
    return GroundingEngine(
        job.settings,
        open_source(job.settings.source),
        config_hash=job.config_hash,
        device=device_of_worker(job.device, worker),
        threads=job.threads,
        cache=output.cache_dir,
    )


def _take_slices(
    engine: GroundingEngine,
    job: _Job,
    names: list[str],
    worker: int,
    stop: Callable[[], bool],
    send: Callable[[_Report], None],
) -> None:
    """Annotate every slice that nobody else holds. A slice whose holder just died is tried again for a moment."""
    output = Output(job.settings.out)
    plan = load_plan(output)
    left, deadline = names, 0.0
    while left:
        held = []
        for name in left:
            if stop():
                raise Interrupted
            if output.is_committed(name):
                continue
            lease = claim(output, name)
            if lease is None:
                held.append(name)
                continue
            with lease:
                _annotate_slice(engine, output, plan.slice(name), job, worker, stop, send)
                deadline = 0.0
        left = [name for name in held if not output.is_committed(name)]
        if left:
            deadline = deadline or time.monotonic() + _ORPHAN_SECONDS
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)


def _annotate_slice(
    engine: GroundingEngine,
    output: Output,
    work: Slice,
    job: _Job,
    worker: int,
    stop: Callable[[], bool],
    send: Callable[[_Report], None],
) -> Sidecar:
    output.require_free(2 * work.size)
    batch_size = job.settings.batch_size
    while True:
        progress = _Throttle(worker, engine.stages, send)
        try:
            with ShardWriter(output, work.name) as writer:
                ledger = engine.run(work, writer, batch_size=batch_size, stop=stop, on_input=progress.input)
                with engine.stages.timed("commit"):
                    sidecar = writer.commit(
                        ledger=ledger,
                        quarantine=[_quarantine_line(line) for line in ledger if line["status"] == "quarantined"],
                        config_hash=job.config_hash,
                        input_hash=work.input_hash,
                        batch_size=batch_size,
                    )
        except OutOfMemoryError:
            free_cached_memory()
            batch_size //= 2
            note = f"{work.name}: out of memory on {job.device}; starting the slice again with batches of {batch_size}"
            send(_Report(worker, inputs=-progress.sent, notes=[note]))
            continue
        progress.flush(slices=[work.name])
        return sidecar


def _quarantine_line(line: Outcome) -> dict[str, Any]:
    return {key: line[key] for key in ("id", "sha256", "reason", "detail")}


class _Throttle:
    """Counts inputs and sends them on twice a second."""

    def __init__(self, worker: int, stages: Stages, send: Callable[[_Report], None]) -> None:
        self._worker, self._stages, self._send = worker, stages, send
        self._count = self.sent = 0
        self._last = time.monotonic()

    def input(self, outcome: Outcome) -> None:
        self._count += 1
        if time.monotonic() - self._last > _REPORT_SECONDS:
            self.flush()

    def flush(self, slices: list[str] | None = None) -> None:
        self._send(_Report(self._worker, self._count, self._stages.as_dict(), slices or []))
        self.sent += self._count
        self._count, self._last = 0, time.monotonic()


def _run_processes(
    job: _Job, waiting: list[str], count: int, signals: _Signals, take: Callable[[_Report], None]
) -> None:
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
                    message: _Report = line.recv()
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
def _children(job: _Job, waiting: list[str], count: int) -> Iterator[tuple[list[BaseProcess], dict[Connection, int]]]:
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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminate(children: list[BaseProcess]) -> None:
    for child in children:
        child.terminate()


def _child(job: _Job, waiting: list[str], worker: int, reports: Connection) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    error: BaseException | None = None
    with _Signals(patient=True) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            with signals.at_once():
                engine = _engine(job, Output(job.settings.out), worker)
            _take_slices(engine, job, waiting, worker, signals.stop, reports.send)
        except PeError as raised:
            error = raised
        except Exception as raised:
            if os.environ.get("PE_TRACEBACK"):
                log.exception("worker %d", worker)
            error = PeError(f"unexpected {type(raised).__name__}: {raised} (a defect; PE_TRACEBACK=1 shows where)")
        with suppress(OSError):
            reports.send(_Report(worker, error=error, ended=True))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
