"""The rows of shards by number: where each is stays in memory, 250 bytes a row; the rest is read when it is used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from glob import glob
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pe.errors import DamageError, InputError
from pe.schemas.sample import Sample
from pe.shards.read import read_records, read_row, shards_of
from pe.shards.sidecar import Row, Sidecar

_PLACE = np.dtype([("offset", "i8"), ("size", "i8"), ("image", "S64"), ("record", "S64")])


def find_shards(data: Sequence[str]) -> list[Path]:
    """The shards that `data` names: output folders of `pe`, tars, and globs of either, in the order given.

    Raises InputError for a word that names none.
    """
    found: list[Path] = []
    for word in data:
        paths = [Path(word).expanduser()]
        if not paths[0].exists() and any(mark in word for mark in "*?["):
            paths = [Path(path) for path in sorted(glob(str(paths[0])))]  # noqa: PTH207 -- Path.glob takes no absolute pattern
        shards = [shard for path in paths for shard in shards_of(path)]
        if not shards:
            raise InputError(f"{word}: no shards are there")
        found += shards
    return found


def kind_of(shard: Path) -> str:
    """The kind of the rows of `shard`, by its first record: "sft", "rl" or "annotated"; "" of an empty one."""
    for sample, _ in read_records(shard):
        return sample.kind
    return ""


class Rows:
    """The rows of `shards`, in order, numbered from 0. Reading is thread-safe.

    Raises InputError where there are none and where a shard's rows are not of `kind`.
    """

    def __init__(self, shards: Sequence[Path], kind: str) -> None:
        self.shards = list(shards)
        self._places: list[npt.NDArray[Any]] = []
        self._keys: list[list[str]] = []
        for shard in self.shards:
            found = kind_of(shard)
            if found and found != kind:
                raise InputError(f"{shard}: its rows are {found} rows, and this stage takes {kind} rows")
            index = Sidecar.load(shard.with_suffix(".json")).index
            place = [(row.offset, row.size, row.image_sha256.encode(), row.json_sha256.encode()) for row in index]
            self._places.append(np.array(place, _PLACE))
            self._keys.append([row.key for row in index])
        self._starts = [0, *accumulate(map(len, self._keys))]
        if not len(self):
            raise InputError(f"{', '.join(map(str, self.shards)) or 'no data'}: there are no {kind} rows")

    def __len__(self) -> int:
        return self._starts[-1]

    def keys(self) -> list[str]:
        """The keys of all rows; those of different outputs may be equal."""
        return [key for keys in self._keys for key in keys]

    def read(self, number: int) -> tuple[Sample, bytes]:
        """Row `number` and the bytes of its picture. Raises DamageError when it is not what was committed."""
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        at = number - self._starts[shard]
        offset, size, image, record = self._places[shard][at].item()
        row = Row(self._keys[shard][at], offset, size, image.decode(), record.decode())
        return read_row(self.shards[shard], row)


def manifest_of(shards: Sequence[Path]) -> list[dict[str, Any]]:
    """What a run was trained on: each shard's path, rows, and the sha256 of its sidecar, which names every byte."""
    found = []
    for shard in shards:
        path = shard.with_suffix(".json")
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DamageError(f"{path}: the sidecar cannot be read: {error.strerror}") from error
        rows = Sidecar.load(path, index=False).samples
        found.append({"shard": str(shard), "rows": rows, "sidecar_sha256": digest})
    return found
