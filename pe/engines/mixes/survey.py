"""The survey of a mix: every shard of every source is read once, and what it gives to each leaf is written down.

A part is what one shard gives: PART.rows (records without their keys, one after the other), PART.npz (where each is)
and PART.json, which comes last and has the hashes of both. Parts depend on the mix's settings and the shard alone, and
can be made again: none waits for the disk.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from pe import registry
from pe.engines.mixes.contamination import Excluded
from pe.engines.mixes.filters._base import build_row_filters
from pe.engines.mixes.pools import Pool
from pe.engines.mixes.rows import Dropped, Row, RowMaker, prove_reward, prove_text, record
from pe.engines.mixes.settings import Leaf, Level, MixSettings
from pe.engines.mixes.tokens import TokenCounter
from pe.engines.tasks import Task
from pe.errors import ConfigError
from pe.formats import Format
from pe.schemas.sample import Sample, dumps
from pe.shards.output import disk_errors, temp_path
from pe.shards.read import read_image, read_records
from pe.shards.sidecar import Row as Place

WHERE = np.dtype(
    [("leaf", "i4"), ("group", "i4"), ("offset", "i8"), ("size", "i4"), ("block", "i8"), ("block_size", "i8")]
)
"""Where a row is: its leaf, its group for levelling, its record in PART.rows, its sample's piece of the tar."""

_OTHERS = 8


@dataclass
class Tally:
    """What a leaf got out of its source: samples, rows and their tokens, and what was dropped or not asked, and why.

    `positives` are rows in which something is there. `judged` rows hold objects against a truth; `negatives` of them
    ask for something that is not there.
    """

    samples: int = 0
    rows: int = 0
    tokens: int = 0
    positives: int = 0
    negatives: int = 0
    judged: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    unasked: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add another part's."""
        self.samples += other.samples
        self.rows += other.rows
        self.tokens += other.tokens
        self.positives += other.positives
        self.negatives += other.negatives
        self.judged += other.judged
        self.drops.update(other.drops)
        self.unasked.update(other.unasked)

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }

    @staticmethod
    def of(value: dict[str, Any]) -> Tally:
        """From `as_dict`."""
        return Tally(**{**value, "drops": Counter(value["drops"]), "unasked": Counter(value["unasked"])})


@dataclass(frozen=True)
class Part:
    """One shard's part of the survey, as it lies in `folder`."""

    folder: Path
    name: str
    shard: Path

    @property
    def rows_path(self) -> Path:
        """The records."""
        return self.folder / f"{self.name}.rows"

    @property
    def where_path(self) -> Path:
        """Where each record is."""
        return self.folder / f"{self.name}.npz"

    @property
    def summary_path(self) -> Path:
        """The tallies, and the hashes of the other two files."""
        return self.folder / f"{self.name}.json"

    def is_whole(self) -> bool:
        """Whether an earlier run made this part, and all of it is on the disk."""
        try:
            return bool(self.summary()["sha256"] == [_hash_of(path) for path in (self.rows_path, self.where_path)])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write(self, rows: bytes, where: npt.NDArray[Any], summary: dict[str, Any]) -> None:
        """Put the part on the disk. Raises DiskError."""
        arrays = io.BytesIO()
        np.savez(arrays, where=where)
        hashes = [hashlib.sha256(data).hexdigest() for data in (rows, arrays.getbuffer())]
        _put(self.rows_path, rows)
        _put(self.where_path, arrays.getbuffer())
        _put(self.summary_path, dumps({**summary, "sha256": hashes}).encode())

    def where(self) -> npt.NDArray[Any]:
        """(N,) of WHERE, in the order of the samples."""
        with np.load(self.where_path) as arrays:
            return np.asarray(arrays["where"])

    def summary(self) -> dict[str, Any]:
        """The tallies by leaf and the names of the groups."""
        value: dict[str, Any] = json.loads(self.summary_path.read_bytes())
        return value


def _hash_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _put(path: Path, data: bytes | memoryview) -> None:
    with disk_errors(path):
        temp = temp_path(path)
        temp.write_bytes(data)
        temp.replace(path)


class _Maker:
    """Makes the rows of one leaf."""

    def __init__(self, number: int, leaf: Leaf, settings: MixSettings, pool: Pool, tokens: TokenCounter) -> None:
        self.number = number
        self.leaf = leaf
        self.tally = Tally()
        self._settings = settings
        self._pool = pool
        self._task = build_task(leaf)
        self._form: Format = registry.load("formats", leaf.format)()
        self._rows = RowMaker(self._form, leaf.format, build_row_filters(leaf.filters), tokens)

    def rows(self, sample: Sample) -> Iterator[Row]:
        """The rows of one sample that are made and read back."""
        seed = hashlib.sha256(f"{self._settings.seed}/{self.leaf.identity}/{sample.sha256}/{sample.key}".encode())
        rng = np.random.default_rng(int.from_bytes(seed.digest()[:8], "big"))
        self.tally.samples += 1
        absent = self._pool.draw(sample, rng)
        for exchange in self._task.exchanges(sample, self._form, rng, absent):
            try:
                row = self._rows.make(sample, exchange)
                prove_text(row)
            except Dropped as dropped:
                self.tally.drops[str(dropped)] += 1
            else:
                yield row
        self.tally.unasked.update(self._task.skipped)
        self._task.skipped.clear()

    def proved(self, rows: list[Row]) -> Iterator[int]:
        """The indices of `rows` whose reward is proved."""
        for index, row in enumerate(rows):
            try:
                if self._settings.kind == "rl":
                    prove_reward(row, _others(rows, index), self._settings.floor)
            except Dropped as dropped:
                self.tally.drops[str(dropped)] += 1
            else:
                self._count(row)
                yield index

    def _count(self, row: Row) -> None:
        answer, truth = row.candidate.exchange.answer, row.candidate.exchange.truth
        self.tally.rows += 1
        self.tally.tokens += row.candidate.tokens
        self.tally.positives += bool(answer.objects or answer.text)
        self.tally.judged += bool(truth.get("objects") or truth.get("negatives") or answer.objects or answer.absent)
        self.tally.negatives += bool(truth.get("negatives") or answer.absent)


class Surveyor:
    """Surveys shards; one a process."""

    def __init__(self, settings: MixSettings, pools: dict[str, list[str]], excluded: Excluded) -> None:
        self._settings = settings
        self._excluded = excluded
        tokens = TokenCounter(settings.tokenizer)
        self._makers = [
            _Maker(number, leaf, settings, Pool(leaf.negatives or settings.negatives, pools[leaf.name]), tokens)
            for number, leaf in enumerate(settings.leaves)
        ]

    def survey(self, part: Part, leaves: list[int]) -> None:
        """Write `part`: what its shard gives to each of `leaves`."""
        makers = [self._makers[number] for number in leaves]
        for maker in makers:
            maker.tally = Tally()
        found: list[list[tuple[Row, Place]]] = [[] for _ in makers]
        skipped: Counter[str] = Counter()
        for sample, place in self._samples(part.shard, skipped):
            for maker, rows in zip(makers, found, strict=True):
                rows.extend((row, place) for row in maker.rows(sample))
        groups: dict[str, int] = {}
        body = io.BytesIO()
        where: list[tuple[int, int, int, int, int, int]] = []
        for maker, rows in zip(makers, found, strict=True):
            for index in maker.proved([row for row, _ in rows]):
                row, place = rows[index]
                name = maker.leaf.data_source or f"{row.candidate.sample.data_source}/{maker.leaf.task}"
                data = record(row, self._settings.kind, name).to_json()
                group = groups.setdefault(group_of(row, maker.leaf.level), len(groups))
                where.append((maker.number, group, body.tell(), len(data), place.offset, place.size))
                body.write(data)
        tallies = {maker.leaf.name: maker.tally.as_dict() for maker in makers}
        summary = {"leaves": tallies, "groups": list(groups), "skipped": dict(sorted(skipped.items()))}
        part.write(body.getvalue(), np.array(where, WHERE), summary)

    def _samples(self, shard: Path, skipped: Counter[str]) -> Iterator[tuple[Sample, Place]]:
        """The samples of this side of the holdout that are in no evaluation set."""
        settings = self._settings
        with shard.open("rb") as handle:
            for sample, place in read_records(shard):
                held = int(sample.sha256[:13], 16) / 16**13 < settings.holdout
                if held != (settings.part == "val"):
                    skipped["held_out"] += 1
                elif self._excluded and self._excluded.holds(
                    sample,
                    lambda: read_image(handle.fileno(), place.offset, place.size, sample.sha256),  # noqa: B023
                ):
                    skipped["in_evaluation"] += 1
                else:
                    yield sample, place


def build_task(leaf: Leaf) -> Task:
    """The task of `leaf`. Raises ConfigError for parameters that it does not take."""
    kind: type[Task] = registry.load("tasks", leaf.task)
    try:
        return kind(kind.Parameters.model_validate(leaf.parameters))
    except ValidationError as error:
        known = ", ".join(kind.Parameters.model_fields) or "none"
        raise ConfigError(
            [
                f"task {leaf.task}: {'.'.join(map(str, item['loc']))}: {item['msg']} (it takes {known})"
                for item in error.errors()
            ]
        ) from None


def group_of(row: Row, level: Level | None) -> str:
    """The group of a row that `level` evens out, "" without one."""
    items = row.candidate.items
    if level is None:
        return ""
    if level.by == "objects":
        return str(len(items))
    if level.by == "multiplicity":
        return "multi" if len(items) > 1 else "single"
    return items[0].phrase if items else ""


def _others(rows: list[Row], index: int) -> list[str]:
    """The gold text of the nearest row before that says something else, if there is one."""
    own = rows[index].candidate
    for back in range(1, min(_OTHERS, len(rows) - 1) + 1):
        other = rows[index - back].candidate
        # Of two that say that nothing is there, whatever it is called, one is as right as the other.
        silent = not (own.items or other.items or own.exchange.answer.text)
        if other.gold != own.gold and not silent:
            return [other.gold]
    return []


def tallies(settings: MixSettings, parts: Sequence[Part]) -> dict[str, Tally]:
    """Each leaf's tally over all parts."""
    total = {leaf.name: Tally() for leaf in settings.leaves}
    for part in parts:
        for name, value in part.summary()["leaves"].items():
            total[name].add(Tally.of(value))
    return total
