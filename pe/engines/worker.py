"""What one worker does: take slices that nobody else holds, make their shards, say how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pe.engines.devices import free_cached_memory
from pe.engines.outcomes import Outcome, OutOfMemoryError
from pe.engines.stages import Stages
from pe.errors import Interrupted
from pe.shards.lease import claim
from pe.shards.output import Output
from pe.shards.plan import Slice, load_plan
from pe.shards.sidecar import Sidecar
from pe.shards.writer import ShardWriter

_REPORT_SECONDS = 0.5
_ORPHAN_SECONDS = 3.0


class Engine(Protocol):
    """Turns slices into samples; one a process."""

    stages: Stages

    def run(
        self,
        work: Slice,
        writer: ShardWriter,
        *,
        batch_size: int,
        stop: Callable[[], bool],
        on_input: Callable[[Outcome], None],
    ) -> list[Outcome]:
        """Write the slice's samples into `writer`; returns one outcome per input, in order.

        Raises Interrupted when `stop()` turns true and OutOfMemoryError when a batch does not fit; the caller then
        abandons the writer.
        """
        ...


@dataclass(frozen=True)
class Job:
    """What a worker needs to know; sent to its process.

    `settings` are those of the command, `config` what of them changes a sample, `build(job, output, worker)` makes a
    worker's engine: a function of a module, as it travels by name.
    """

    settings: Any
    config: dict[str, Any]
    config_hash: str
    build: Callable[[Job, Output, int], Engine]
    out: Path
    workers: int
    shard_inputs: int
    shard_bytes: int
    batch_size: int = 0
    device: str = "cpu"
    threads: int = 1


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


def take_slices(
    engine: Engine,
    job: Job,
    names: list[str],
    worker: int,
    stop: Callable[[], bool],
    send: Callable[[Report], None],
) -> None:
    """Work through every slice that nobody else holds. A slice whose holder just died is tried again for a moment."""
    output = Output(job.out)
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
                _make_slice(engine, output, plan.slice(name), job, worker, stop, send)
                deadline = 0.0
        left = [name for name in held if not output.is_committed(name)]
        if left:
            deadline = deadline or time.monotonic() + _ORPHAN_SECONDS
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)


def _make_slice(
    engine: Engine,
    output: Output,
    work: Slice,
    job: Job,
    worker: int,
    stop: Callable[[], bool],
    send: Callable[[Report], None],
) -> Sidecar:
    output.require_free(2 * work.size)
    batch_size = job.batch_size
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
