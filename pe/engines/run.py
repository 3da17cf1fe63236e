"""A run of `pe annotate`: plan what is new, hand its slices to processes, add up what became of every input."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pe import registry
from pe.engines.devices import cores, resolve_device
from pe.engines.filters._base import build_filters
from pe.engines.grounding import GroundingEngine
from pe.engines.outside import without_output
from pe.engines.phrases import asked_phrases, is_field
from pe.engines.processes import run_processes
from pe.engines.settings import AnnotateSettings, config_hash
from pe.engines.signals import Signals
from pe.engines.stages import Stages
from pe.engines.summary import Preview, RunSummary
from pe.engines.worker import Job, Report, make_engine, take_slices
from pe.errors import InputError, Interrupted
from pe.shards.lease import holder, sweep
from pe.shards.output import Output
from pe.shards.plan import extend_plan, load_plan, unplanned
from pe.shards.sources import open_source

_TORCH_ADAPTERS = {"groundingdino", "transformers", "sam"}


class Reporter(Protocol):
    """Where a run says how far it is."""

    def planning(self, inputs: int) -> None: ...
    def started(self, inputs: int, slices: int) -> None: ...
    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None: ...
    def note(self, text: str) -> None: ...


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
    with Signals() as signals:
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
                engine = make_engine(job, output, 0)
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


def _job(settings: AnnotateSettings) -> Job:
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
    return Job(settings, config_hash(settings.labels_config(device)), device, threads)


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


def _run_workers(
    job: Job,
    waiting: list[str],
    engine: GroundingEngine | None,
    signals: Signals,
    report: Reporter,
    stages: Stages,
) -> list[str]:
    """Annotate the waiting slices; returns the names of those that this run committed."""
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
            run_processes(job, waiting, min(job.settings.workers, len(waiting)), signals, take)
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
