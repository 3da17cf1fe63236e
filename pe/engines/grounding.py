"""The grounding engine: detection, masks, rings and captions composed into annotated samples, one slice at a time.

Decoding, ring tracing and writing run in threads beside the model, which stays in the calling thread. Everything is
handed on in input order and in chunks whose borders depend on the inputs alone, so a slice's bytes do too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pe import __version__, registry
from pe.annotators.base import (
    AdapterSettings,
    Caption,
    Captioner,
    Detections,
    Detector,
    Dropped,
    Instance,
    Segment,
    Segmenter,
)
from pe.engines.admission import Admission
from pe.engines.devices import is_out_of_memory, limit_threads
from pe.engines.gate import Gate
from pe.engines.outcomes import OURS, FilteredError, Outcome, OutOfMemoryError, blame, of_all, outcome, rejected
from pe.engines.phrases import is_field
from pe.engines.records import annotated_sample
from pe.engines.settings import AnnotateSettings
from pe.engines.shapes import shape_object
from pe.engines.stages import Stages
from pe.errors import InputError, Interrupted, PeError, SampleError
from pe.schemas.sample import Object
from pe.shards.pictures import Picture
from pe.shards.plan import PlannedInput, Slice
from pe.shards.sources.base import Source
from pe.shards.writer import ShardWriter

_CHUNK_BATCHES = 4
_CHUNK_PIXELS = 64_000_000
_AHEAD_BYTES = 64_000_000
_AHEAD_PIXELS = 72_000_000
_BEHIND_PIXELS = 72_000_000
_MASK_BYTES = 256_000_000


@dataclass(eq=False, slots=True)
class _Work:
    """One picture on its way through the stages."""

    key: str
    item: PlannedInput
    picture: Picture
    phrases: list[str]
    detections: Detections = field(default_factory=Detections)
    shapes: deque[Future[Object | Dropped]] = field(default_factory=deque)
    objects: list[Object] = field(default_factory=list)
    failure: SampleError | None = None

    @property
    def pixels(self) -> int:
        return self.picture.width * self.picture.height

    def kept(self) -> list[Instance]:
        return [Instance(item.phrase, item.score, item.bbox) for item in self.objects]


class GroundingEngine:
    """Turns a slice of planned inputs into samples. Build one per process; it holds the models."""

    def __init__(
        self,
        settings: AnnotateSettings,
        source: Source,
        *,
        config_hash: str,
        device: str,
        threads: int,
        cache: Path,
    ) -> None:
        self.settings = settings
        self.source = source
        self.threads = threads
        self.stages = Stages()
        base = AdapterSettings(
            device=device,
            dtype=settings.dtype,
            batch_size=settings.batch_size,
            threads=threads,
            annotations=settings.annotations,
            box_threshold=settings.box_threshold,
            text_threshold=settings.text_threshold,
            nms_threshold=settings.nms_threshold,
            url=settings.captioner_url,
            prompt=settings.caption_prompt,
            max_tokens=settings.caption_tokens,
            region_captions=settings.region_captions,
            cache=str(cache),
        )

        def build(kind: str, name: str, model: str) -> Any:
            return registry.load(kind, name)(base.model_copy(update={"model": model}))

        self.detector: Detector = build("detectors", settings.detector, settings.detector_model)
        self.segmenter: Segmenter | None = None
        if settings.segmenter != "none":
            self.segmenter = build("segmenters", settings.segmenter, settings.segmenter_model)
        self.captioner: Captioner | None = None
        if settings.captioner != "none":
            self.captioner = build("captioners", settings.captioner, settings.captioner_model)
        looking = (self.detector, self.segmenter, self.captioner)
        colours = any(adapter.needs_pixels for adapter in looking if adapter is not None)
        self.admission = Admission(settings, self.detector, colours=colours)
        limit_threads(settings.threads)
        self._provenance: dict[str, Any] = {"engine": "grounding", "pe": __version__, "config": config_hash}
        for name, adapter in (
            ("detector", self.detector),
            ("segmenter", self.segmenter),
            ("captioner", self.captioner),
        ):
            if adapter is not None:
                self._provenance[name] = {key: value for key, value in asdict(adapter.info).items() if value}

    def run(
        self,
        work: Slice,
        writer: ShardWriter,
        *,
        batch_size: int,
        stop: Callable[[], bool],
        on_input: Callable[[Outcome], None],
    ) -> list[Outcome]:
        """Annotate one slice into `writer`; returns one outcome per input, in order.

        Raises Interrupted when `stop()` turns true and OutOfMemoryError when a batch does not fit; the caller then
        abandons the writer.
        """
        for adapter in (self.detector, self.segmenter, self.captioner):
            if adapter is not None:
                adapter.settings = adapter.settings.model_copy(update={"batch_size": batch_size})
        outcomes: list[Outcome] = []

        def write(chunk: list[Outcome | _Work], captioned: Future[list[Caption | SampleError]]) -> None:
            captions = iter(captioned.result())
            chunk.reverse()
            while chunk:
                # Taken out one by one, so that a picture's memory is free once it is written.
                item = chunk.pop()
                line = self._write(item, next(captions), writer) if isinstance(item, _Work) else item
                outcomes.append(line)
                on_input(line)

        with ExitStack() as stack:
            decoders, shapers, captioners, writers = (
                _pool(stack, count) for count in (self.threads, self.threads, 1, 1)
            )
            gate = Gate(_AHEAD_PIXELS)
            stack.callback(gate.open)
            written: deque[tuple[Future[None], int]] = deque()
            held = 0
            size = _CHUNK_BATCHES * batch_size
            for chunk in _chunks(self._prepared(work, decoders, gate, size, stop), size):
                works = [item for item in chunk if isinstance(item, _Work)]
                pixels = sum(work.pixels for work in works)
                captioned = self._annotate(works, batch_size, shapers, captioners)
                written.append((writers.submit(write, chunk, captioned), pixels))
                del works, captioned
                held += pixels
                while len(written) > 2 or held > _BEHIND_PIXELS:
                    done, freed = written.popleft()
                    done.result()
                    held -= freed
                if stop():
                    raise Interrupted
            for done, _ in written:
                done.result()
        return outcomes

    def _prepared(
        self, work: Slice, pool: ThreadPoolExecutor, gate: Gate, ahead: int, stop: Callable[[], bool]
    ) -> Iterator[Outcome | _Work]:
        """Every input of the slice in order, read and decoded a little ahead of its use."""

        def prepare(index: int, item: PlannedInput) -> Outcome | _Work:
            prepared = self._prepare(work.key(index), item)
            gate.enter(index, prepared.pixels if isinstance(prepared, _Work) else 0)
            return prepared

        waiting: deque[tuple[Future[Outcome | _Work], int]] = deque()
        held = 0
        items = enumerate(work.inputs)
        exhausted = False
        while True:
            while not exhausted and len(waiting) < ahead + self.threads and (held < _AHEAD_BYTES or not waiting):
                entry = next(items, None)
                if entry is None:
                    exhausted = True
                    break
                index, item = entry
                waiting.append((pool.submit(prepare, index, item), item.entry.size))
                held += item.entry.size
            if not waiting:
                return
            future, size = waiting.popleft()
            held -= size
            if stop():
                raise Interrupted
            prepared = future.result()
            gate.leave(prepared.pixels if isinstance(prepared, _Work) else 0)
            yield prepared
            del future, prepared

    def _prepare(self, key: str, item: PlannedInput) -> Outcome | _Work:
        if item.dup_of:
            return outcome(item, "duplicate", of=item.dup_of, **({"how": "near"} if item.near else {}))
        try:
            with self.stages.timed("read"):
                raw = item.read(self.source)
            with self.stages.timed("decode"):
                picture, phrases = self.admission.admit(raw, item.id, item.sha256)
        except FilteredError as error:
            return outcome(item, "filtered", reason=error.reason, detail=error.detail)
        except SampleError as error:
            return rejected(item, error.reason, error.detail)
        return _Work(key, item, picture, phrases)

    def _annotate(
        self, works: list[_Work], batch_size: int, shapers: ThreadPoolExecutor, captioners: ThreadPoolExecutor
    ) -> Future[list[Caption | SampleError]]:
        """Start all that is done to a chunk's pictures; their objects are there when their captions are."""
        with self.stages.timed("detect"):
            self._detect(works, batch_size)
        if self.segmenter is not None and not self.segmenter.parallel:
            self._segment_here([work for work in works if work.failure is None], batch_size, shapers)
        shaped = [shapers.submit(self._shape, work, batch_size) for work in works] if self.segmenter else []
        return captioners.submit(self._caption, works, shaped, batch_size)

    def _detect(self, works: list[_Work], batch_size: int) -> None:
        if batch_size > 1 and len(works) > 1:
            try:
                self._detect_together(works)
            except PeError as error:
                if self._of_one_picture(error) is None:
                    raise
            except Exception as error:
                if is_out_of_memory(error):
                    raise OutOfMemoryError(str(error)) from error
            else:
                return
        first: Exception | None = None
        for work in works:
            try:
                self._detect_together([work])
            except PeError as error:
                work.failure = self._of_one_picture(error)
                if work.failure is None:
                    raise
            except Exception as error:
                first = first or error
                work.failure = blame("detector", error)
        if first is not None and len(works) > 1 and all(work.failure for work in works):
            raise of_all("detector", first) from first

    def _of_one_picture(self, error: PeError) -> SampleError | None:
        """`error` when it is about one picture alone: phrases that stand in its own record can be wrong there."""
        if isinstance(error, InputError) and is_field(self.settings.phrases):
            return SampleError("phrases", str(error))
        return error if isinstance(error, SampleError) else None

    def _detect_together(self, works: Sequence[_Work]) -> None:
        found = self.detector.detect([work.picture for work in works], [work.phrases for work in works])
        for work, detections in zip(works, found, strict=True):
            work.detections = detections
            for name, judge in self.admission.filters.items():
                kept = []
                for item in detections.instances:
                    if judge.instance(work.picture, item):
                        detections.dropped.append(Dropped(item.phrase, item.box, name, item.score))
                    else:
                        kept.append(item)
                detections.instances = kept

    def _segments(self, work: _Work, batch_size: int) -> Iterator[tuple[Instance, Segment | None]]:
        """Each instance with its mask, one at a time; ends early with `work.failure` set when the model fails on it."""
        instances = work.detections.instances
        if self.segmenter is None or not instances:
            yield from ((instance, None) for instance in instances)
            return
        try:
            segments: Iterator[Segment] = iter(())
            with self.stages.timed("segment"):
                segments = iter(self.segmenter.segment(work.picture, instances))
            for instance in instances:
                with self.stages.timed("segment"):
                    segment = next(segments, None)
                if segment is None:
                    raise ValueError(f"fewer masks than the {len(instances)} boxes")
                yield instance, segment
                del segment
        except SampleError as error:
            work.failure = error
        except PeError:
            raise
        except Exception as error:
            if is_out_of_memory(error) and batch_size > 1:
                raise OutOfMemoryError(str(error)) from error
            work.failure = blame("segmenter", error)

    def _segment_here(self, works: list[_Work], batch_size: int, shapers: ThreadPoolExecutor) -> None:
        """Masks from a model that stays in this thread; their rings are traced in others, a bounded number behind."""
        behind: deque[tuple[Future[Object | Dropped], int]] = deque()
        held = 0
        for work in works:
            for instance, segment in self._segments(work, batch_size):
                while behind and held > _MASK_BYTES:
                    oldest, freed = behind.popleft()
                    oldest.result()
                    held -= freed
                work.shapes.append(shapers.submit(self._shape_object, instance, segment))
                behind.append((work.shapes[-1], work.pixels))
                held += work.pixels
                del segment

    def _shape_object(self, instance: Instance, segment: Segment | None) -> Object | Dropped:
        with self.stages.timed("rings"):
            return shape_object(
                instance, segment, self.settings.epsilon, self.settings.orientation, self.settings.simplify
            )

    def _shape(self, work: _Work, batch_size: int) -> None:
        """Masks (when the segmenter runs in threads), rings and run lengths: the picture's objects."""
        if work.failure is None and (self.segmenter is None or self.segmenter.parallel):
            results = [self._shape_object(*pair) for pair in self._segments(work, batch_size)]
        else:
            results = [shape.result() for shape in work.shapes]
        if work.failure is not None:
            return
        for result in results:
            if isinstance(result, Object):
                result.id = len(work.objects)
                work.objects.append(result)
            else:
                work.detections.dropped.append(result)

    def _caption(self, works: list[_Work], shaped: list[Future[None]], batch_size: int) -> list[Caption | SampleError]:
        for future in shaped:
            future.result()
        if self.segmenter is None:
            for work in works:
                self._shape(work, batch_size)
        if self.captioner is None:
            return [Caption(work.picture.meta.caption) for work in works]
        good = [work for work in works if work.failure is None]
        if not good:
            return [Caption("")] * len(works)
        with self.stages.timed("caption"):
            made = iter(self._captions(good, batch_size))
        return [Caption("") if work.failure else next(made) for work in works]

    def _captions(self, works: list[_Work], batch_size: int) -> list[Caption | SampleError]:
        assert self.captioner is not None
        try:
            return self.captioner.caption([work.picture for work in works], [work.kept() for work in works])
        except PeError:
            raise
        except Exception as error:
            if is_out_of_memory(error) and batch_size > 1:
                raise OutOfMemoryError(str(error)) from error
            if len(works) == 1:
                return [blame("captioner", error)]
            first = error
        alone = [caption for work in works for caption in self._captions([work], batch_size)]
        if all(isinstance(caption, SampleError) and caption.reason in OURS for caption in alone):
            raise of_all("captioner", first) from first
        return alone

    def _write(self, work: _Work, caption: Caption | SampleError, writer: ShardWriter) -> Outcome:
        if work.failure is not None:
            return rejected(work.item, work.failure.reason, work.failure.detail)
        if isinstance(caption, SampleError):
            return rejected(work.item, caption.reason, caption.detail)
        with self.stages.timed("record"):
            sample = annotated_sample(
                work.key,
                work.picture,
                work.objects,
                work.detections,
                caption,
                data_source=self.settings.data_source,
                provenance=self._provenance,
            )
        with self.stages.timed("write"):
            writer.add(sample, work.picture.data)
        return outcome(work.item, "written", key=work.key)


def _pool(stack: ExitStack, count: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(count)
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool


def _chunks(items: Iterator[Outcome | _Work], size: int) -> Iterator[list[Outcome | _Work]]:
    """Runs of items that hold at most `size` pictures and about 64 million pixels."""
    chunk: list[Outcome | _Work] = []
    pictures = pixels = 0
    for item in items:
        chunk.append(item)
        if isinstance(item, _Work):
            pictures += 1
            pixels += item.pixels
        if pictures >= size or pixels >= _CHUNK_PIXELS or len(chunk) >= 16 * size:
            yield chunk
            chunk, pictures, pixels = [], 0, 0
    if chunk:
        yield chunk
