"""Valid samples with real, tiny pictures, sources made of bytes, and whole output folders for tests."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pe.errors import SampleError
from pe.schemas.sample import Object, RewardModel, Sample, Verifier, objects_to_json
from pe.shards.lease import claim
from pe.shards.output import Output
from pe.shards.plan import Plan, Slice, extend_plan
from pe.shards.sidecar import Sidecar
from pe.shards.sources.base import Entry, Meta, Raw, Source
from pe.shards.writer import ShardWriter

CONFIG = {"detector": "none", "box_threshold": 0.25, "device": {"kind": "cpu"}}
CONFIG_HASH = hashlib.sha256(b"test").hexdigest()


@cache
def picture(seed: int, size: tuple[int, int] = (24, 16), codec: str = "JPEG") -> bytes:
    """Bytes of a picture of `size` (width, height), different for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, codec)
    return stream.getvalue()


def sample(key: str, image: bytes, objects: Sequence[Object] = (), source: str = "a/b.jpg") -> Sample:
    """The record of `image`."""
    with Image.open(io.BytesIO(image)) as opened:
        codec, (width, height) = opened.format, opened.size
    sha256 = hashlib.sha256(image).hexdigest()
    return Sample(
        key=key,
        width=width,
        height=height,
        format=codec,
        sha256=sha256,
        source=source,
        source_sha256=sha256,
        data_source="test/grounding",
        ability="grounding",
        caption=f"a picture called {key}",
        objects_json=objects_to_json(list(objects)),
        reward_model=RewardModel(),
        verifier=Verifier(name="detection"),
    )


def box(number: int = 0, score: float = 0.5) -> Object:
    """An object with a box, rings and a score."""
    ring = [1.5, 2.0, 9.0, 2.0, 9.0, 8.25, 1.5, 8.25]
    return Object(id=number, phrase="a café", score=score, bbox=(1.5, 2.0, 9.0, 8.25), rings=[ring])


class BytesSource(Source):
    """A source of named bytes; None stands for an input that cannot be read."""

    def __init__(self, files: dict[str, bytes | None], stamp: str = "1") -> None:
        super().__init__()
        self.files = files
        self.stamp = stamp
        self.reads = 0

    def entries(self) -> Iterator[Entry]:
        for name in sorted(self.files):
            yield Entry(name, len(self.files[name] or b""), self.stamp, {"name": name})

    def read(self, entry: Entry) -> Raw:
        self.reads += 1
        data = self.files[entry.at["name"]]
        if data is None:
            raise SampleError("truncated", "made so")
        return Raw(data, Meta())


def photos(count: int, *, start: int = 0) -> BytesSource:
    """`count` pictures, every seventh a duplicate of the first, every eleventh unreadable."""
    files: dict[str, bytes | None] = {}
    for number in range(start, start + count):
        data: bytes | None = picture(number)
        if number % 7 == 6:
            data = picture(0)
        if number % 11 == 10:
            data = None
        files[f"{number:05d}.jpg"] = data
    return BytesSource(files)


def write_slice(output: Output, piece: Slice, source: Source) -> Sidecar:
    """Turn a slice into a shard: what can be read is written with one box."""
    ledger, quarantine = [], []
    with ShardWriter(output, piece.name) as writer:
        for position, item in enumerate(piece.inputs):
            if item.dup_of:
                ledger.append({"id": item.id, "status": "duplicate", "of": item.dup_of})
                continue
            try:
                data = item.read(source).data
            except SampleError as error:
                ledger.append({"id": item.id, "status": "quarantined", "reason": error.reason})
                quarantine.append({"id": item.id, "reason": error.reason, "detail": error.detail})
                continue
            record = sample(piece.key(position), data, [box(position)], source=item.id)
            writer.add(record, data)
            ledger.append({"id": item.id, "status": "written", "key": record.key})
        return writer.commit(ledger=ledger, quarantine=quarantine, config_hash=CONFIG_HASH, input_hash=piece.input_hash)


def run(root: Path, source: Source, shard_inputs: int = 5) -> Plan:
    """Plan and write everything that is not done yet and that nobody else is at; says so in `root`.log beside it."""
    output = Output(root)
    plan = extend_plan(output, source, CONFIG, CONFIG_HASH, shard_inputs=shard_inputs)
    for name in plan.names:
        held = claim(output, name)
        if held is not None:
            with held:
                write_slice(output, plan.slice(name), source)
                with root.with_suffix(".log").open("a") as log:
                    log.write(f"{name}\n")
    return plan


def tree(root: Path) -> dict[str, bytes]:
    """Every file under `root`, hidden ones too, by relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
