"""The synthetic engine: scenes drawn with exact ground truth, into the same shards as every engine's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import simplejpeg

from pe import __version__
from pe.annotators.base import Caption, Detections, Dropped, Instance, Segment
from pe.engines.outcomes import Outcome, outcome
from pe.engines.produce import Reporter, produce
from pe.engines.records import annotated_sample
from pe.engines.settings import config_hash
from pe.engines.shapes import shape_object
from pe.engines.signals import Signals
from pe.engines.stages import Stages
from pe.engines.summary import RunSummary
from pe.engines.synthetic.language import caption, counts, expressions, phrases
from pe.engines.synthetic.scene import WORLDS, Scene, draw_scene, scene_rng
from pe.engines.synthetic.settings import SynthSettings
from pe.engines.synthetic.source import SceneSource
from pe.engines.worker import Job
from pe.errors import Interrupted
from pe.schemas.sample import Object, Sample
from pe.shards.output import Output
from pe.shards.pictures import Picture
from pe.shards.plan import Slice
from pe.shards.sources.base import Meta
from pe.shards.writer import ShardWriter

_EXPRESSIONS = {"base": 3, "dense": 6, "crowd": 6, "language": 8, "text": 0}
_QUALITY = (70, 98)


class SyntheticEngine:
    """Draws the scenes of a slice; a scene depends on profile, split, seed and its own number alone."""

    def __init__(self, settings: SynthSettings, config: str) -> None:
        self.settings = settings
        self.stages = Stages()
        self._provenance = {"engine": "synthetic", "pe": __version__, "config": config}

    def run(
        self,
        work: Slice,
        writer: ShardWriter,
        *,
        batch_size: int,
        stop: Callable[[], bool],
        on_input: Callable[[Outcome], None],
    ) -> list[Outcome]:
        """See Engine: one sample a scene, none is ever left out."""
        outcomes = []
        for number, item in enumerate(work.inputs):
            if stop():
                raise Interrupted
            key = work.key(number)
            sample, data = self.draw(key, int(item.entry.at["index"]))
            with self.stages.timed("write"):
                writer.add(sample, data)
            outcomes.append(outcome(item, "written", key=key))
            on_input(outcomes[-1])
        return outcomes

    def draw(self, key: str, index: int) -> tuple[Sample, bytes]:
        """Scene `index` as a sample and the JPEG that goes with it."""
        config = self.settings
        rng = scene_rng(config.seed, config.split, index)
        with self.stages.timed("draw"):
            scene = draw_scene(WORLDS[config.profile], rng, config.split)
        with self.stages.timed("words"):
            named, absent = phrases(scene, rng, config.split)
            said = expressions(scene, rng, _EXPRESSIONS[config.profile])
        with self.stages.timed("encode"):
            quality = int(rng.integers(*_QUALITY))
            data = simplejpeg.encode_jpeg(scene.pixels, quality=quality, colorspace="RGB", colorsubsampling="420")
            sha256 = hashlib.sha256(data).hexdigest()
        height, width = scene.owner.shape
        picture = Picture(
            None, data, "JPEG", width, height, sha256, f"scene-{index:08d}", sha256, meta=Meta(license="CC0-1.0")
        )
        with self.stages.timed("rings"):
            objects = [self._object(scene, number, phrase) for number, phrase in enumerate(named)]
        truth = {
            **self._provenance,
            "profile": config.profile,
            "split": config.split,
            "seed": config.seed,
            "things": [
                {"shape": thing.shape, "colour": thing.colour, "texture": thing.texture, "size": thing.size}
                for thing in scene.things
            ],
            "counts": counts(scene),
            "expressions": [{"text": item.text, "kind": item.kind, "objects": list(item.targets)} for item in said],
        }
        sample = annotated_sample(
            key,
            picture,
            objects,
            Detections(negatives=absent),
            Caption(caption(scene)),
            data_source=config.name,
            provenance=truth,
        )
        return sample, data

    def _object(self, scene: Scene, number: int, phrase: str) -> Object:
        x0, y0, x1, y1 = scene.box(number)
        found = shape_object(
            Instance(phrase, 1.0, (x0, y0, x1, y1)), Segment(scene.mask(number)), self.settings.epsilon, "cw"
        )
        assert not isinstance(found, Dropped)
        found.id = number
        word = number - len(scene.things)
        if word >= 0:
            found.text = scene.words[word].text
            found.quad = [float(value) for value in np.ravel(scene.words[word].quad)]
        return found


def synth(settings: SynthSettings, report: Reporter) -> RunSummary:
    """Draw the scenes that are not in the output folder yet; returns this run's accounts.

    Raises Interrupted after SIGINT or SIGTERM; the same call goes on from there.
    """
    config = settings.labels_config()
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
    with Signals() as signals:
        return produce(job, SceneSource(settings), report, signals)


def _build(job: Job, output: Output, worker: int) -> SyntheticEngine:
    return SyntheticEngine(job.settings, job.config_hash)
