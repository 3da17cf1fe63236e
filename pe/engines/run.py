"""A run of `pe annotate`: plan what is new, hand its slices to processes, add up what became of every input."""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, Protocol

from pe import registry
from pe.engines.devices import device_of_worker, free_cached_memory, resolve_device
from pe.engines.filters._base import build_filters
from pe.engines.grounding import GroundingEngine, Outcome, OutOfMemoryError
from pe.engines.phrases import asked_phrases
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
    source, output = open_source(settings.source), Output(settings.out)
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
        source, output = open_source(settings.source), Output(settings.out)

        def planned(seen: int, new: int) -> None:
            if signals.stop():
                raise Interrupted(signals.received)
            report.planning(seen)

        engine = _engine(job, output, 0) if settings.workers == 1 else None
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
    if asked_phrases(settings.phrases) is None and registry.load("detectors", settings.detector).needs_phrases:
        raise InputError(f"--detector {settings.detector} needs --phrases: 'cat, traffic light', a file or field:NAME")
    device = resolve_device(settings.device, not _TORCH_ADAPTERS.isdisjoint(chosen.values()))
    data_source = settings.data_source or f"{source_name(settings.source)}/grounding"
    settings = settings.model_copy(update={"data_source": data_source})
    threads = settings.threads or max(1, _cores() // settings.workers)
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


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _words(settings: AnnotateSettings, stage: str) -> str:
    model = getattr(settings, f"{stage}_model")
    return f"{getattr(settings, stage)}{f' ({model})' if model else ''}"


class _Signals:
    """SIGINT and SIGTERM ask for an orderly stop; the second one ends the process at once."""

    def __init__(self) -> None:
        self.received = 0
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def stop(self) -> bool:
        return self._event.is_set()

    def _handle(self, signum: int, frame: object) -> None:
        if self._event.is_set():
            os._exit(128 + signum)
        self.received = signum
        self._event.set()

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
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
    context = multiprocessing.get_context("spawn")
    reports: multiprocessing.Queue[_Report] = context.Queue()
    stop = context.Event()
    with _children(context, job, waiting, count, stop, reports) as children:
        ended: set[int] = set()
        first_error: BaseException | None = None
        while len(ended) < count:
            if signals.stop():
                stop.set()
            try:
                message = reports.get(timeout=0.1)
            except queue.Empty:
                for worker, child in enumerate(children):
                    if worker not in ended and child.exitcode not in (None, 0):
                        ended.add(worker)
                        first_error = first_error or PeError(_died(worker, child.exitcode))
                continue
            take(message)
            if message.ended:
                ended.add(message.worker)
                if message.error is not None:
                    first_error = first_error or message.error
                    if not isinstance(message.error, Interrupted):
                        stop.set()
        if signals.stop():
            raise Interrupted(signals.received)
        if first_error is not None:
            raise first_error


def _died(worker: int, exitcode: int | None) -> str:
    how = signal.Signals(-exitcode).name if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
    return f"worker {worker} died of {how} (SIGKILL is often the host's memory running out); run again to go on"


@contextmanager
def _children(
    context: SpawnContext, job: _Job, waiting: list[str], count: int, stop: Any, reports: Any
) -> Iterator[list[Any]]:
    children = [
        context.Process(target=_child, args=(job, waiting, worker, stop, reports), daemon=True)
        for worker in range(count)
    ]
    try:
        for child in children:
            child.start()
        yield children
    finally:
        stop.set()
        for child in children:
            if child.pid is not None:
                child.join()


def _child(job: _Job, waiting: list[str], worker: int, stop: Any, reports: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    error: BaseException | None = None
    try:
        engine = _engine(job, Output(job.settings.out), worker)
        _take_slices(engine, job, waiting, worker, stop.is_set, reports.put)
    except PeError as raised:
        error = raised
    except Exception as raised:
        if os.environ.get("PE_TRACEBACK"):
            log.exception("worker %d", worker)
        error = PeError(f"unexpected {type(raised).__name__}: {raised} (a defect; PE_TRACEBACK=1 shows where)")
    reports.put(_Report(worker, error=error, ended=True))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
