"""The import engine: what another tool has annotated, into annotated shards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pe import __version__
from pe.annotators.annotation_files import AnnotationFile
from pe.annotators.base import AdapterSettings, Caption, Dropped
from pe.annotators.detectors.dataset import DatasetDetector
from pe.annotators.load_annotations import load_annotations
from pe.annotators.segmenters.dataset import DatasetSegmenter
from pe.engines.import_settings import ImportSettings
from pe.engines.outcomes import Outcome, outcome, rejected
from pe.engines.outside import without_output
from pe.engines.produce import Reporter, produce
from pe.engines.records import annotated_sample
from pe.engines.run import source_name
from pe.engines.settings import config_hash
from pe.engines.shapes import shape_object
from pe.engines.signals import Signals
from pe.engines.stages import Stages
from pe.engines.summary import NotFound, RunSummary
from pe.engines.worker import Job
from pe.errors import InputError, Interrupted, SampleError
from pe.schemas.sample import Object, Sample
from pe.shards.imports import Extra, Layout, PictureExtras
from pe.shards.output import Output
from pe.shards.pictures import Picture, load_picture
from pe.shards.plan import PlannedInput, Slice, load_plan
from pe.shards.sources import open_source
from pe.shards.sources.base import EmptySourceError, Entry, Source
from pe.shards.sources.names import escape
from pe.shards.writer import ShardWriter


class ImportEngine:
    """Turns a slice of pictures into samples with the objects that their annotation file gives them.

    Boxes, masks, negatives and refusals are those of the detector and segmenter called `dataset`. An object without a
    mask is kept as its box.
    """

    def __init__(self, settings: ImportSettings, layout: Layout, source: Source, config: str, output: Output) -> None:
        self.settings = settings
        self._output = output
        self.layout = layout
        self.source = source
        self.stages = Stages()
        adapter = AdapterSettings(annotations=str(layout.annotations))
        self._file = load_annotations(adapter.annotations, layout.form)
        self._detector = DatasetDetector(adapter, self._file)
        self._segmenter = DatasetSegmenter(adapter, self._file)
        info = {key: value for key, value in asdict(self._detector.info).items() if value}
        self._provenance = {
            "engine": "import",
            "pe": __version__,
            "config": config,
            "layout": settings.layout,
            "detector": info,
            "segmenter": info,
        }

    def run(
        self,
        work: Slice,
        writer: ShardWriter,
        *,
        batch_size: int,
        stop: Callable[[], bool],
        on_input: Callable[[Outcome], None],
    ) -> list[Outcome]:
        """See Engine."""
        outcomes = []
        for number, item in enumerate(work.inputs):
            if stop():
                raise Interrupted
            outcomes.append(self._take(work.key(number), item, writer))
            on_input(outcomes[-1])
        return outcomes

    @cached_property
    def _others(self) -> set[str]:
        """Inputs whose names fit an annotated picture less well than that of an input with other bytes."""
        inputs = {item.id: item.sha256 for work in load_plan(self._output) for item in work.inputs if item.sha256}
        others: set[str] = set()
        for _, best, worse in self._file.claims(inputs):
            same = {inputs[source] for source in best}
            others.update(source for source in worse if inputs[source] not in same)
        return others

    def _take(self, key: str, item: PlannedInput, writer: ShardWriter) -> Outcome:
        if item.dup_of:
            return outcome(item, "duplicate", of=item.dup_of)
        try:
            with self.stages.timed("read"):
                raw = item.read(self.source)
            if raw.meta.opt_out and self.settings.respect_opt_out:
                return rejected(item, "opt_out", "its source says that it is not to be used")
            with self.stages.timed("decode"):
                picture = load_picture(
                    raw.data, source=item.id, meta=raw.meta, source_sha256=item.sha256, colours=False
                )
        except SampleError as error:
            return rejected(item, error.reason, error.detail)
        if refused := self._detector.refuse(picture):
            return outcome(item, "filtered", reason=refused[0], detail=refused[1])
        if item.id in self._others:
            name = self._file.find(item.id)[0].name
            return outcome(item, "filtered", reason="not_annotated", detail=f"{name} of the annotation file is another")
        sample = self._sample(key, picture)
        with self.stages.timed("write"):
            writer.add(sample, picture.data)
        return outcome(item, "written", key=key)

    def _sample(self, key: str, picture: Picture) -> Sample:
        extras = self.layout.extras.get(self._file.find(picture.source)[0].name, PictureExtras())
        (detections,) = self._detector.detect([picture], [[]])
        if not (self.settings.negatives and (self.layout.exhaustive or self._lists_negatives(picture))):
            detections.negatives = []
        objects: list[Object] = []
        ids: dict[str, int] = {}
        attributes: dict[str, Any] = {}
        with self.stages.timed("rings"):
            segments = self._segmenter.segment(picture, detections.instances)
            for instance, segment in zip(detections.instances, segments, strict=True):
                extra = extras.objects.get(instance.ref, Extra())
                bare = segment.reason == "no_mask"
                config = self.settings
                found = shape_object(
                    instance, None if bare else segment, config.epsilon, config.orientation, config.simplify
                )
                if isinstance(found, Object) and extra.ignore:
                    found = Dropped(found.phrase, found.bbox, "ignore", found.score)
                if isinstance(found, Dropped):
                    detections.dropped.append(found)
                    continue
                found.id = ids[instance.ref] = len(objects)
                objects.append(_with(found, extra))
                if extra.attributes:
                    attributes[str(found.id)] = extra.attributes
        provenance = {**self._provenance, **self._said(extras, ids, objects)}
        if attributes:
            provenance["attributes"] = attributes
        captions = extras.captions or [picture.meta.caption]
        sample = annotated_sample(
            key,
            picture,
            objects,
            detections,
            Caption(captions[0]),
            data_source=self.settings.data_source,
            provenance=provenance,
        )
        known = {"license": sample.license or extras.license, "url": sample.url or extras.url}
        return Sample.model_validate({**sample.model_dump(), **known})

    def _lists_negatives(self, picture: Picture) -> bool:
        return self._file.find(picture.source)[0].negatives is not None

    def _said(self, extras: PictureExtras, ids: dict[str, int], objects: list[Object]) -> dict[str, Any]:
        """What the provenance says of a picture's words. An expression whose object was dropped is left out."""
        said: dict[str, Any] = {}
        if len(extras.captions) > 1:
            said["captions"] = extras.captions
        expressions = [
            {"text": text, "kind": "referring", "objects": [ids[ref] for ref in refs]}
            for text, refs in extras.expressions
            if all(ref in ids for ref in refs)
        ]
        if expressions:
            said["expressions"] = expressions
        names = {item.phrase: self.layout.keypoint_names.get(item.phrase) for item in objects if item.keypoints}
        if any(names.values()):
            said["keypoint_names"] = {phrase: found for phrase, found in names.items() if found}
        return said


def _with(item: Object, extra: Extra) -> Object:
    known = {
        "text": extra.text or None,
        "quad": extra.quad,
        "keypoints": extra.keypoints,
        "caption": extra.caption or None,
    }
    return Object.model_validate({**item.model_dump(), **known})


def import_annotations(settings: ImportSettings, report: Reporter) -> RunSummary:
    """Import what is new in the source, and what earlier runs left; returns this run's accounts.

    Raises InputError for a source that is not in its layout, Interrupted after SIGINT or SIGTERM; all that is committed
    stays and the same call goes on from there.
    """
    with Signals() as signals:
        with signals.at_once():
            job, source, missing = import_job(settings, settings.out)
        return replace(produce(job, source, report, signals), not_found=missing)


def import_job(settings: ImportSettings, out: Path) -> tuple[Job, Source, NotFound | None]:
    """What an import has to do, its pictures without what lies in the folder `out`, and which of them are not there.

    Raises InputError for a source that is not in its layout, of which no picture is there, or one is several.
    """
    layout = settings.read()
    name = settings.data_source or f"{source_name(str(settings.source))}/{settings.layout}"
    settings = settings.model_copy(update={"data_source": name, "images": layout.pictures})
    labels = {"layout", "split", "negatives", "epsilon", "orientation", "simplify", "respect_opt_out"}
    config = settings.model_dump(mode="json", include=labels)
    file = load_annotations(str(layout.annotations), layout.form)
    # By their content: other annotations are other labels.
    config |= {"data_source": name, "annotations": file.sha256[:16]}
    job = Job(
        settings,
        config,
        config_hash(config),
        _build,
        settings.out,
        settings.workers,
        settings.shard_inputs,
        512 * 2**20,
    )
    source = without_output(open_source(layout.pictures), layout.pictures, Output(out).root)
    return job, source, _not_found(file, source, layout.pictures, Output(settings.out).exists)


def _not_found(file: AnnotationFile, source: Source, root: str, begun: bool) -> NotFound | None:
    """The annotated pictures that `source` lacks. Raises InputError when it has none of them and no run has `begun`,
    or several for one that nothing tells apart.
    """
    try:
        entries = {entry.id: entry for entry in source.entries()}
    except EmptySourceError:
        # Without an earlier run the plan says so.
        entries = {}
    found = set()
    for image, best, _ in file.claims(entries):
        if len(best) > 1 and len({_sha256(source, entries[one]) for one in best} - {""}) > 1:
            raise InputError(
                f"{file.path}: {escape(image.name)} can be {best[0]} or {best[1]} under {root}, two pictures; "
                "name the folder of the right ones with --images (images: in a mix)"
            )
        if best:
            found.add(id(image))
    absent = [escape(image.name) for image in file.images if id(image) not in found]
    if absent and not found and entries and not begun:
        raise InputError(
            f"{file.path}: none of its {len(absent)} pictures was found under {root} (for example {absent[0]}); "
            "name their folder with --images (images: in a mix)"
        )
    return NotFound(len(absent), len(file.images), root, absent[0]) if absent else None


def _sha256(source: Source, entry: Entry) -> str:
    try:
        return hashlib.sha256(source.read(entry).data).hexdigest()
    except SampleError:
        return ""


def _build(job: Job, output: Output, worker: int) -> ImportEngine:
    settings: ImportSettings = job.settings
    return ImportEngine(settings, settings.read(), open_source(settings.images), job.config_hash, output)
