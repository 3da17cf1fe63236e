"""What one worker does: take slices that nobody else holds, annotate them, say how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pe.engines.devices import device_of_worker, free_cached_memory
from pe.engines.grounding import GroundingEngine
from pe.engines.outcomes import Outcome, OutOfMemoryError
from pe.engines.settings import AnnotateSettings
from pe.engines.stages import Stages
from pe.errors import Interrupted
from pe.shards.lease import claim
from pe.shards.output import Output
from pe.shards.plan import Slice, load_plan
from pe.shards.sidecar import Sidecar
from pe.shards.sources import open_source
from pe.shards.writer import ShardWriter

_REPORT_SECONDS = 0.5
_ORPHAN_SECONDS = 3.0


@dataclass(frozen=True)
class Job:
    """What a worker needs to know; sent to its process."""

    settings: AnnotateSettings
    config_hash: str
    device: str
    threads: int


@dataclass
class Report:
    """What a worker says between slices and once in a while within one."""

    worker: int
    inputs: int = 0
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    slices: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: BaseException | None = None
    ended: bool = False


def make_engine(job: Job, output: Output, worker: int) -> GroundingEngine:
    return GroundingEngine(
        job.settings,
        open_source(job.settings.source),
        config_hash=job.config_hash,
        device=device_of_worker(job.device, worker),
        threads=job.threads,
        cache=output.cache_dir,
    )


def take_slices(
    engine: GroundingEngine,
    job: Job,
    names: list[str],
    worker: int,
    stop: Callable[[], bool],
    send: Callable[[Report], None],
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
    job: Job,
    worker: int,
    stop: Callable[[], bool],
    send: Callable[[Report], None],
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
            send(Report(worker, inputs=-progress.sent, notes=[note]))
            continue
        progress.flush(slices=[work.name])
        return sidecar


def _quarantine_line(line: Outcome) -> dict[str, Any]:
    return {key: line[key] for key in ("id", "sha256", "reason", "detail")}


class _Throttle:
    """Counts inputs and sends them on twice a second."""

    def __init__(self, worker: int, stages: Stages, send: Callable[[Report], None]) -> None:
        self._worker, self._stages, self._send = worker, stages, send
        self._count = self.sent = 0
        self._last = time.monotonic()

    def input(self, outcome: Outcome) -> None:
        self._count += 1
        if time.monotonic() - self._last > _REPORT_SECONDS:
            self.flush()

    def flush(self, slices: list[str] | None = None) -> None:
        self._send(Report(self._worker, self._count, self._stages.as_dict(), slices or []))
        self.sent += self._count
        self._count, self._last = 0, time.monotonic()
