"""A run of `pe annotate`: its settings made whole, and what it would do."""

from __future__ import annotations

from pathlib import Path

from pe import registry
from pe.annotators.checkpoints import shipped
from pe.engines.admission import fingerprints
from pe.engines.devices import cores, device_of_worker, resolve_device
from pe.engines.filters._base import build_filters
from pe.engines.grounding import GroundingEngine
from pe.engines.outside import without_output
from pe.engines.phrases import asked_phrases, is_field
from pe.engines.produce import Reporter, produce
from pe.engines.settings import AnnotateSettings, config_hash
from pe.engines.signals import Signals
from pe.engines.summary import Preview, RunSummary
from pe.engines.worker import Job
from pe.errors import InputError
from pe.shards.output import Output
from pe.shards.plan import load_plan, unplanned
from pe.shards.sources import open_source

_DEMO_NOTE = "demo models know drawn scenes only; real photos need the official checkpoints (`pe models` lists them)"
_TORCH_ADAPTERS = {"groundingdino", "transformers", "sam"}


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
    with Signals() as signals:
        job = _job(settings)
        source = without_output(open_source(settings.source), settings.source, Output(settings.out).root)
        note = _DEMO_NOTE if shipped(settings.detector_model) or shipped(settings.segmenter_model) else ""
        return produce(job, source, report, signals, note, fingerprints(job.settings))


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
    config = settings.labels_config(device)
    return Job(
        settings,
        config,
        config_hash(config),
        _build,
        settings.out,
        settings.workers,
        settings.shard_inputs,
        settings.shard_mb * 2**20,
        settings.batch_size,
        device,
        threads,
    )


def _build(job: Job, output: Output, worker: int) -> GroundingEngine:
    return GroundingEngine(
        job.settings,
        open_source(job.settings.source),
        config_hash=job.config_hash,
        device=device_of_worker(job.device, worker),
        threads=job.threads,
        cache=output.cache_dir,
    )


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
