"""What an export is: it takes samples one by one and writes the files of one tool's layout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pe.schemas.sample import Sample
from pe.shards.sidecar import Sidecar


class LeftOut(Exception):
    """This sample has no form in the layout; the message is the reason, the same words for every such sample."""


@dataclass(frozen=True)
class Table:
    """Files of rows, for the dataset card and Croissant.

    `files` is a glob below the export, `encoding` a MIME type, `columns` the name and Croissant type of each column;
    `path` is the JSON path of the rows where a file is one JSON document.
    """

    files: str
    encoding: str
    columns: Mapping[str, str]
    path: str = ""


class Export(ABC):
    """One layout, written below `out` for the split called `split`.

    `kinds` are those of the records that it takes. `lost` counts what of the samples it could not carry, by what it is.
    `images` is the folder of its picture files, "" where they are in the rows; `hub` that of the files that the Hugging
    Face loader reads, "" where it reads none of them. Memory stays flat: whatever grows with the samples goes to disk.
    """

    kinds: ClassVar[frozenset[str]]
    images: str = ""
    hub: str = ""

    def __init__(self, out: Path, split: str) -> None:
        self.out = out
        self.split = split
        self.lost: Counter[str] = Counter()

    def shard(self, tar: Path, sidecar: Sidecar) -> None:  # noqa: B027
        """Take note of a shard; called before its samples are added."""

    @abstractmethod
    def add(self, sample: Sample, image: bytes) -> None:
        """Write one sample. Raises LeftOut, before anything of it is written, where the layout has no form for it."""

    @abstractmethod
    def close(self) -> None:
        """Write what comes last."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """What was written, for the card."""
