"""Copies of whole shards, for the tools that read them as they are."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path

from pe.errors import DamageError
from pe.schemas.sample import Sample
from pe.shards.exports._base import Export, Table
from pe.shards.sidecar import Sidecar


class TarExport(Export):
    """Shards copied byte for byte as `place`(number) below the export; nothing of a sample is lost."""

    kinds = frozenset({"annotated", "sft", "rl"})
    files: str

    def __init__(self, out: Path, split: str) -> None:
        super().__init__(out, split)
        self.counts: dict[str, int] = {}

    @abstractmethod
    def place(self, number: int) -> str:
        """Where the copy of shard `number` goes, relative to the export."""

    def shard(self, tar: Path, sidecar: Sidecar) -> None:
        name = self.place(len(self.counts))
        target = self.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with tar.open("rb") as source, target.open("wb") as copy:
            while block := source.read(2**20):
                digest.update(block)
                copy.write(block)
        if digest.hexdigest() != sidecar.sha256:
            raise DamageError(f"{tar}: the shard is not what was committed; `pe verify` says which samples are safe")
        self.counts[name] = sidecar.samples

    def add(self, sample: Sample, image: bytes) -> None:
        """The sample is in the copy already."""

    def close(self) -> None:
        """Nothing comes last."""

    def tables(self) -> list[Table]:
        return [Table(self.files, "application/x-tar", {})]
