"""Which answers are to be made: the rows of shards times the samples of each, in batches that never change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pe.errors import InputError
from pe.evaluation.generation.log import Log
from pe.schemas.sample import Sample
from pe.shards.read import read_records, read_row
from pe.shards.sidecar import Row, Sidecar

_PATCH = 28 * 28
_BUCKET = 128


class Item(NamedTuple):
    """One answer to be made: sample number `number` of a row, with the bytes of its picture."""

    row: Sample
    image: bytes
    number: int


def count_rows(tars: Sequence[Path]) -> int:
    """The rows of all shards."""
    return sum(Sidecar.load(tar.with_suffix(".json"), index=False).samples for tar in tars)


def batches(
    tars: Sequence[Path], samples: int, batch_size: int, log: Log, rank: int = 0, world: int = 1
) -> Iterator[list[Item]]:
    """The batches of process `rank` of `world` that have an answer that `log` lacks.

    Rows with answers of about the same length share a batch, which has answers of one sample number to rows of one
    shard. What is in it depends on the shard and `batch_size` alone: not on what is done, on how many samples there
    are, on other shards or on the number of processes.
    """
    for number, tar in enumerate(tars):
        keys = [row.key for row in Sidecar.load(tar.with_suffix(".json")).index]
        if all(log.has(key, sample) for key in keys for sample in range(samples)):
            continue
        for index, batch in enumerate(_of_shard(tar, samples, batch_size)):
            mine = (number + index) % world == rank
            if mine and not all(log.has(row.key, sample) for row, sample in batch):
                yield [Item(*read_row(tar, row), sample) for row, sample in batch]


def _of_shard(tar: Path, samples: int, batch_size: int) -> Iterator[list[tuple[Row, int]]]:
    rows = sorted(((_length(sample), row) for sample, row in read_records(tar)), key=lambda pair: pair[0])
    for number in range(samples):
        for start in range(0, len(rows), batch_size):
            yield [(row, number) for _, row in rows[start : start + batch_size]]


def _length(sample: Sample) -> tuple[int, int]:
    """About how long an answer will be and how long its prompt is; the true answer's length is the best guess."""
    if sample.kind == "annotated":
        raise InputError(f"{sample.key} is an annotated sample, which asks nothing: `pe build-rl` makes rows of it")
    pixels = sample.input_width * sample.input_height or sample.width * sample.height
    return len(sample.gold_text) // _BUCKET, pixels // _PATCH + len(sample.messages_json) // 4


def all_there(tars: Sequence[Path], samples: int, log: Log) -> bool:
    """Whether `log` has every answer."""
    return all(
        log.has(row.key, sample)
        for tar in tars
        for row in Sidecar.load(tar.with_suffix(".json")).index
        for sample in range(samples)
    )
