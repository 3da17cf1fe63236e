"""Ground truth for labels: another output folder or shard of `pe`, or a COCO, LVIS or YOLO annotation file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pe.annotators.base import Box
from pe.annotators.load_annotations import load_annotations
from pe.annotators.segmenters.dataset import annotation_mask
from pe.errors import InputError
from pe.geometry.masks import encode
from pe.schemas.sample import Object, Rle, Sample
from pe.shards.output import Output
from pe.shards.read import read_shard


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One object that is there; a `crowd` is a region where predictions cost nothing."""

    phrase: str
    box: Box
    mask: Rle | None = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one picture; of phrases outside `judged` nothing is known."""

    objects: list[TrueObject]
    judged: frozenset[str]


class TruthSet(ABC):
    """Truths by picture. `size` is how many there are, `by` how a picture finds its own."""

    size: int
    by: str

    @abstractmethod
    def find(self, sample: Sample) -> Truth | None:
        """The truth of the sample's picture. Raises InputError when its size is not the picture's."""


def normal(phrase: str) -> str:
    """A phrase as it is compared: case, underscores and runs of spaces do not count."""
    return " ".join(phrase.replace("_", " ").casefold().split())


def load_truth(path: Path) -> TruthSet:
    """The truth at `path`. Raises InputError for what is neither shards nor annotations."""
    if path.suffix == ".tar" or (path.is_dir() and Output(path).exists):
        return _ShardTruth(path)
    return _FileTruth(path)


def shards_of(path: Path) -> Iterator[tuple[Sample, bytes]]:
    """Every sample of an output folder, or of one shard."""
    if path.suffix == ".tar":
        yield from read_shard(path)
        return
    output = Output(path)
    if not output.exists:
        raise InputError(f"{path}: not an output folder of pe (it has no plan.jsonl), nor a shard's .tar")
    for shard in output.shards():
        yield from read_shard(shard)


class _ShardTruth(TruthSet):
    """By the picture's bytes: phrases of its objects and its negatives are judged (federated, as in LVIS)."""

    by = "the sha256 of the image"

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._records: dict[str, tuple[str, str]] = {}
        for sample, _ in shards_of(path):
            for digest in (sample.sha256, sample.source_sha256):
                self._records.setdefault(digest, (sample.objects_json, sample.negatives_json))
            self.size += 1

    def find(self, sample: Sample) -> Truth | None:
        record = self._records.get(sample.sha256) or self._records.get(sample.source_sha256)
        if record is None:
            return None
        objects = [Object.model_validate(item) for item in json.loads(record[0])]
        found = [TrueObject(normal(item.phrase), item.bbox, item.mask) for item in objects]
        absent = {normal(phrase) for phrase in json.loads(record[1])}
        return Truth(found, frozenset(absent | {item.phrase for item in found}))


class _FileTruth(TruthSet):
    """By name, as detector dataset does; without a list of negatives every category of the file is judged."""

    by = "the file's name"

    def __init__(self, path: Path) -> None:
        self._file = load_annotations(str(path))
        self.size = len(self._file.images)

    def find(self, sample: Sample) -> Truth | None:
        images = self._file.find(sample.source)
        if len(images) != 1:
            return None
        image = images[0]
        if image.width and image.height and (image.width, image.height) != (sample.width, sample.height):
            raise InputError(
                f"{sample.source}: the truth is {image.width}x{image.height}, the sample {sample.width}x{sample.height}"
            )
        wide, high = (sample.width, sample.height) if image.fractions else (1, 1)
        found = []
        for item in image.annotations:
            x0, y0, x1, y1 = item.box
            mask = None
            if item.segmentation:
                try:
                    mask = encode(annotation_mask(item, sample.width, sample.height, image.fractions))
                except ValueError:
                    mask = None
            box = (x0 * wide, y0 * high, x1 * wide, y1 * high)
            found.append(TrueObject(normal(item.category), box, mask, item.crowd))
        judged = {normal(name) for name in self._file.negatives(image)} | {item.phrase for item in found}
        return Truth(found, frozenset(judged))
