"""The import engine: what another tool has annotated, into annotated shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
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
from pe.engines.summary import RunSummary
from pe.engines.worker import Job
from pe.errors import InputError, Interrupted, SampleError
from pe.schemas.sample import Object, Sample
from pe.shards.imports import Extra, Layout, PictureExtras
from pe.shards.output import Output
from pe.shards.pictures import Picture, load_picture
from pe.shards.plan import PlannedInput, Slice
from pe.shards.sources import open_source
from pe.shards.sources.base import Entry, Raw, Source
from pe.shards.writer import ShardWriter


class ImportEngine:
    """Turns a slice of pictures into samples with the objects that their annotation file gives them.

    Boxes, masks, negatives and refusals are those of the detector and segmenter called `dataset`. An object without a
    mask is kept as its box.
    """

    def __init__(self, settings: ImportSettings, layout: Layout, source: Source, config: str) -> None:
        self.settings = settings
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
        job = import_job(settings)
        source = pictures_of(job, settings.out)
        summary = produce(job, source, report, signals)
        if missing := source.missing():
            report.note(missing)
        return summary


def import_job(settings: ImportSettings) -> Job:
    """What an import has to do. Raises InputError for a source that is not in its layout."""
    layout = settings.read()
    name = settings.data_source or f"{source_name(str(settings.source))}/{settings.layout}"
    settings = settings.model_copy(update={"data_source": name, "images": layout.pictures})
    labels = {"layout", "split", "negatives", "epsilon", "orientation", "simplify", "respect_opt_out"}
    config = settings.model_dump(mode="json", include=labels)
    config |= {"data_source": name, "annotations": _content(layout)}
    return Job(
        settings,
        config,
        config_hash(config),
        _build,
        settings.out,
        settings.workers,
        settings.shard_inputs,
        512 * 2**20,
    )


def pictures_of(job: Job, out: Path) -> AnnotatedPictures:
    """The pictures of an import, without what lies in the output folder `out`."""
    word, layout = job.settings.images, job.settings.read()
    source = without_output(open_source(word), word, Output(out).root)
    return AnnotatedPictures(source, load_annotations(str(layout.annotations), layout.form), word)


class AnnotatedPictures(Source):
    """A source that is held against its annotations as it is listed: which of these have no picture, and which two."""

    def __init__(self, source: Source, annotations: AnnotationFile, word: str) -> None:
        super().__init__(source.max_bytes)
        self._source = source
        self._annotations = annotations
        self._word = word
        self._found: dict[int, Entry] = {}
        self.ignored = source.ignored

    def entries(self) -> Iterator[Entry]:
        """See Source. Raises InputError where two other pictures are one of the file's, or none is any."""
        self._found = {}
        for entry in self._source.entries():
            images = self._annotations.find(entry.id)
            if len(images) == 1:
                first = self._found.setdefault(id(images[0]), entry)
                if first is not entry and self._differ(first, entry):
                    raise InputError(
                        f"{self._annotations.path}: {images[0].name} could be {first.id} and {entry.id}, which are two "
                        f"pictures: name the folder of the right ones, below {self._word}"
                    )
            yield entry
        if self._annotations.images and not self._found:
            raise InputError(self.missing())

    def read(self, entry: Entry) -> Raw:
        """See Source."""
        return self._source.read(entry)

    def missing(self) -> str:
        """One line about the annotated pictures that were not there when the source was last listed, or nothing."""
        images = self._annotations.images
        lost = [image.name for image in images if id(image) not in self._found]
        if not lost:
            return ""
        return (
            f"{self._annotations.path}: {len(lost):,} of its {len(images):,} pictures are not in {self._word}, for "
            f"example {lost[0]}"
        )

    def _differ(self, one: Entry, other: Entry) -> bool:
        if one.size != other.size:
            return True
        try:
            return self.read(one).data != self.read(other).data
        except SampleError:
            return False  # told when its turn comes


def _build(job: Job, output: Output, worker: int) -> ImportEngine:
    settings: ImportSettings = job.settings
    return ImportEngine(settings, settings.read(), open_source(settings.images), job.config_hash)


def _content(layout: Layout) -> str:
    """The annotations by their content: other annotations are other labels."""
    return load_annotations(str(layout.annotations), layout.form).sha256[:16]
