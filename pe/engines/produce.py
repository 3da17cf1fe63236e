"""A run: plan what is new, hand its slices to workers, add up what became of every input."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any, Protocol

from pe.engines.processes import run_processes
from pe.engines.signals import Signals
from pe.engines.stages import Stages
from pe.engines.summary import RunSummary
from pe.engines.worker import Engine, Job, Report, take_slices
from pe.errors import Interrupted
from pe.shards.lease import holder, sweep
from pe.shards.output import Output
from pe.shards.plan import Fingerprint, extend_plan
from pe.shards.sources.base import Source


class Reporter(Protocol):
    """Where a run says how far it is."""

    def planning(self, inputs: int) -> None: ...
    def started(self, inputs: int, slices: int) -> None: ...
    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None: ...
    def note(self, text: str) -> None: ...


def produce(
    job: Job,
    source: Source,
    report: Reporter,
    signals: Signals,
    note: str = "",
    fingerprint: Fingerprint | None = None,
) -> RunSummary:
    """Make the samples of what is new in `source` and of what earlier runs left; returns this run's accounts.

    `note` is said when there is anything to do; `fingerprint` finds near-duplicates, see extend_plan. Raises
    Interrupted after SIGINT or SIGTERM; all that is committed stays and the same call goes on from there.
    """
    since = time.monotonic()
    output = Output(job.out)

    def planned(seen: int, new: int) -> None:
        if signals.stop():
            raise Interrupted(signals.received)
        report.planning(seen)

    engine = None
    if job.workers == 1:
        with signals.at_once():
            engine = job.build(job, output, 0)
    plan = extend_plan(
        output,
        source,
        job.config,
        job.config_hash,
        job.shard_inputs,
        job.shard_bytes,
        on_progress=planned,
        fingerprint=fingerprint,
    )
    waiting = [name for name in plan.names if not output.is_committed(name)]
    report.started(sum(len(plan.slice(name).inputs) for name in waiting), len(waiting))
    if note and waiting:
        report.note(note)
    stages = Stages()
    done = _run_workers(job, waiting, engine, signals, report, stages) if waiting else []
    sweep(output)
    left = {name: holder(output, name) for name in waiting if not output.is_committed(name)}
    return RunSummary.of(
        output,
        done,
        near=plan.near,
        left=left,
        ignored=source.ignored,
        seconds=time.monotonic() - since,
        stages=stages.as_dict(),
    )


def _run_workers(
    job: Job,
    waiting: list[str],
    engine: Engine | None,
    signals: Signals,
    report: Reporter,
    stages: Stages,
) -> list[str]:
    """Make the waiting slices; returns the names of those that this run committed."""
    done: list[str] = []
    latest: dict[int, dict[str, dict[str, float]]] = {}

    def take(message: Report) -> None:
        done.extend(message.slices)
        latest[message.worker] = message.stages or latest.get(message.worker, {})
        for note in message.notes:
            report.note(note)
        if message.inputs:
            report.advanced(message.inputs, _added(latest.values()))

    try:
        if engine is not None:
            take_slices(engine, job, waiting, 0, signals.stop, take)
        else:
            run_processes(job, waiting, min(job.workers, len(waiting)), signals, take)
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
