"""Pictures of evaluation sets, which no row of a mix may show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pe.engines.admission import picture_hash
from pe.errors import SampleError
from pe.schemas.sample import Sample
from pe.shards.phash import NearIndex
from pe.shards.pictures import load_picture
from pe.shards.read import read_shard, shards_of
from pe.shards.sources import open_source
from pe.shards.sources.base import Meta


class Excluded:
    """The pictures of some evaluation sets: by sha256, and by perceptual hash where the bytes are others.

    A set is an output folder of `pe`, or anything that `pe annotate` takes as a source. Raises InputError for what is
    neither.
    """

    def __init__(self, sets: Iterable[str]) -> None:
        self._sha256: set[str] = set()
        self._near = NearIndex()
        for name in sets:
            for data, known in _pictures(name):
                self._sha256.update((hashlib.sha256(data).hexdigest(), *known))
                self._near.add(_hash(data), name)

    def __bool__(self) -> bool:
        return bool(self._sha256)

    def holds(self, sample: Sample, read: Callable[[], bytes]) -> bool:
        """Whether the picture of `sample` is in one of the sets, or looks like one in it; `read` gives its bytes."""
        if sample.sha256 in self._sha256 or sample.source_sha256 in self._sha256:
            return True
        return bool(self._near.first(_hash(read())))


def _hash(data: bytes) -> int:
    """The perceptual hash of a picture as it lies upright; 0 for one that cannot be decoded."""
    try:
        return picture_hash(load_picture(data, source="", meta=Meta(), source_sha256="", colours=False))
    except SampleError:
        return 0


def _pictures(name: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """The bytes of every picture of a set, with other hashes that it is known by."""
    if (Path(name) / "plan.jsonl").is_file():
        for shard in shards_of(Path(name)):
            for sample, data in read_shard(shard):
                yield data, (sample.sha256, sample.source_sha256)
        return
    source = open_source(name)
    for entry in source.entries():
        try:
            yield source.read(entry).data, ()
        except SampleError:
            # What cannot be read there cannot be read from there into a mix either.
            continue
