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
from pe.schemas.sample import Rle, Sample
from pe.shards.read import read_row, read_shard, shards_of
from pe.shards.sidecar import Row, Sidecar


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One object, its box as x0, y0, x1, y1 in pixels; a `crowd` is a region where labels cost nothing."""

    phrase: str
    box: Box
    mask: Rle | None = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one picture; of phrases outside `judged` nothing is. Phrases are as `normal` gives them."""

    objects: list[TrueObject]
    judged: frozenset[str]


class TruthSet(ABC):
    """Truths by picture. `size` is how many there are, `by` how a picture finds its own."""

    size: int
    by: str

    def __init__(self) -> None:
        self._paired: set[int] = set()

    @property
    def unpaired(self) -> int:
        """How many truths no sample has asked for."""
        return self.size - len(self._paired)

    @abstractmethod
    def find(self, sample: Sample) -> Truth | str:
        """The truth of the sample's picture, or why it has none: without_truth, ambiguous_name, other_size."""


def normal(phrase: str) -> str:
    """A phrase as it is compared: case, underscores and runs of spaces do not matter."""
    return " ".join(phrase.replace("_", " ").casefold().split())


def load_truth(path: Path) -> TruthSet:
    """The truth at `path`. Raises InputError for what is neither shards nor annotations."""
    if path.suffix == ".tar" or (path / "plan.jsonl").is_file():
        return _ShardTruth(path)
    return _FileTruth(path)


def annotated(shard: Path) -> Iterator[Sample]:
    """The samples of a shard. Raises InputError when they are not annotated ones."""
    for sample, _ in read_shard(shard):
        if sample.kind != "annotated":
            raise InputError(f"{shard}: holds {sample.kind} samples, not annotated ones")
        yield sample


class _ShardTruth(TruthSet):
    """By the picture's bytes: the phrases of its objects and its negatives are judged (federated, as in LVIS).

    Keeps where each record is, not the records.
    """

    by = "the picture's sha256"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._places: list[tuple[Path, Row]] = []
        self._number: dict[str, int] = {}
        for shard in shards_of(path):
            index = Sidecar.load(shard.with_suffix(".json")).index
            for row, sample in zip(index, annotated(shard), strict=True):
                for digest in filter(None, (sample.sha256, sample.source_sha256)):
                    self._number.setdefault(digest, len(self._places))
                self._places.append((shard, row))
        self.size = len(self._places)

    def find(self, sample: Sample) -> Truth | str:
        number = self._number.get(sample.sha256, self._number.get(sample.source_sha256))
        if number is None:
            return "without_truth"
        self._paired.add(number)
        record, _ = read_row(*self._places[number])
        if (record.width, record.height) != (sample.width, sample.height):
            return "other_size"
        found = [TrueObject(normal(item.phrase), item.bbox, item.mask) for item in record.objects()]
        absent = {normal(phrase) for phrase in json.loads(record.negatives_json)}
        return Truth(found, frozenset(absent | {item.phrase for item in found}))


class _FileTruth(TruthSet):
    """By name, as detector dataset does; without a list of negatives every category of the file is judged, but for
    those not exhaustively annotated in the picture."""

    by = "the file's name"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = load_annotations(str(path))
        self.size = len(self._file.images)

    def find(self, sample: Sample) -> Truth | str:
        images = self._file.find(sample.source)
        if len(images) != 1:
            return "ambiguous_name" if images else "without_truth"
        image = images[0]
        self._paired.add(id(image))
        if image.width and image.height and (image.width, image.height) != (sample.width, sample.height):
            return "other_size"
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
        return Truth(found, frozenset(judged - {normal(name) for name in image.not_exhaustive}))
