"""Loads the rows of coming batches while the model computes on this one.

What was loaded ahead is no part of a run's state: a run that goes on starts `Batches` at its own step, and the same
rows are loaded again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from pe.training.conversations import Example, example_of
from pe.training.order import Batches
from pe.training.rows import Rows
from pe.training.settings import GrpoStage, SftStage

AHEAD = 2  # batches


class Examples(Dataset[Any]):  # type: ignore[misc]  # torch is not looked into
    """The examples of rows, by row number; those of batches that `expect` announced are loaded by a thread."""

    def __init__(self, rows: Rows, stage: SftStage | GrpoStage, processor: Any, seed: int) -> None:
        self._rows = rows
        self._stage = stage
        self._processor = processor
        self._seed = seed
        self._loader = ThreadPoolExecutor(1, "pe-rows")
        self._coming: deque[tuple[list[int], Future[list[Example]]]] = deque()
        self._last: tuple[list[int], list[Example]] = ([], [])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Example:
        sample, picture = self._rows.read(number)
        example = example_of(sample, picture, self._stage, self._processor, self._seed)
        return {**example, "row": number} if isinstance(self._stage, GrpoStage) else example

    def __getitems__(self, batch: list[int]) -> list[Example]:
        """The examples of `batch`; GRPO's calls that share a generation share its examples."""
        if isinstance(self._stage, GrpoStage) and batch == self._last[0]:
            return self._last[1]
        while self._coming and self._coming[0][0] != batch:
            self._coming.popleft()[1].cancel()
        found = self._coming.popleft()[1].result() if self._coming else self._load(batch)
        self._last = (batch, found) if isinstance(self._stage, GrpoStage) else ([], [])
        return found

    def expect(self, batch: list[int]) -> None:
        """Load `batch` in the background, to be asked for after those that were announced before."""
        self._coming.append((batch, self._loader.submit(self._load, batch)))

    def _load(self, batch: list[int]) -> list[Example]:
        # The generations of one prompt share its picture; TRL writes into the columns of each.
        found = {number: self[number] for number in dict.fromkeys(batch)}
        return [dict(found[number]) for number in batch]


class Announcing(Sampler[list[int]]):  # type: ignore[misc]
    """`batches`, those from call `start` on announced to `examples` a little ahead of time."""

    def __init__(self, batches: Batches, examples: Examples, start: int) -> None:
        self._batches = batches
        self._examples = examples
        self._start = start

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        waiting: deque[list[int]] = deque()
        announced: list[int] = []
        for call, batch in enumerate(self._batches):
            if call >= self._start and batch is not announced:
                self._examples.expect(batch)
                announced = batch
            waiting.append(batch)
            if len(waiting) > (AHEAD if call >= self._start else 0):
                yield waiting.popleft()
        yield from waiting


def loader_of(examples: Examples, batches: Batches, start: int, collate: Any) -> DataLoader[Any]:
    """The batches of a run; those of the first `start` calls are only counted, for a trainer that skips them."""
    return DataLoader(examples, batch_sampler=Announcing(batches, examples, start), collate_fn=collate)
