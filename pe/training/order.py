"""Which row is trained on when: a pure function of the data, the seed and the position, the same on every machine."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pe.errors import ConfigError, InputError
from pe.training.settings import Curriculum, GrpoStage, SftStage

Numbers = npt.NDArray[np.int64]


class Order:
    """The endless sequence of row numbers: epoch after epoch, each in an order of its own by `seed` and epoch.

    With `buckets`, each epoch goes through them one after the other and shuffles within each.
    """

    def __init__(self, buckets: Sequence[Numbers], seed: int, shuffle: bool) -> None:
        self._buckets = buckets
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = -1
        self._rows = np.empty(0, np.int64)
        self.count = sum(map(len, buckets))

    def row(self, position: int) -> int:
        """The row at `position` of the sequence."""
        epoch, place = divmod(position, self.count)
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, epoch])
            shuffled = [rng.permutation(bucket) if self._shuffle else bucket for bucket in self._buckets]
            self._epoch, self._rows = epoch, np.concatenate(shuffled)
        return int(self._rows[place])


def order_of(keys: Sequence[str], stage: SftStage | GrpoStage, seed: int) -> Order:
    """The order of rows with these `keys`. Raises InputError where a curriculum leaves none."""
    if stage.curriculum is None:
        return Order([np.arange(len(keys))], seed, stage.shuffle)
    chosen = _by_score(keys, stage.curriculum)
    buckets = [part for part in np.array_split(chosen, stage.curriculum.buckets) if len(part)]
    return Order(buckets, seed, stage.shuffle)


def _by_score(keys: Sequence[str], curriculum: Curriculum) -> Numbers:
    if len(set(keys)) < len(keys):
        raise InputError(
            f"{curriculum.scores}: scores go by key, and rows of several outputs have the same: train on one"
        )
    scores = _read_scores(curriculum.scores, curriculum.field)
    least = -math.inf if curriculum.least is None else curriculum.least
    most = math.inf if curriculum.most is None else curriculum.most
    chosen = [(scores[key], number) for number, key in enumerate(keys) if least <= scores.get(key, math.nan) <= most]
    if not chosen:
        raise InputError(f"{curriculum.scores}: no row of the data has a score between {least} and {most} there")
    sign = -1.0 if curriculum.first == "easy" else 1.0
    return np.array([number for _, number in sorted(chosen, key=lambda pair: (sign * pair[0], pair[1]))], np.int64)


def _read_scores(path: Path, field: str) -> dict[str, float]:
    scores: dict[str, float] = {}
    try:
        with path.expanduser().open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    row = json.loads(line)
                    value = row[field]
                    if value is not None:
                        scores[str(row["key"])] = float(value)
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise InputError(
                        f'{path}: line {number} is not a JSON object with "key" and the number "{field}"'
                    ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    return scores


def at_progress(schedule: dict[float, int] | dict[float, float], default: float, progress: float) -> float:
    """The value of a `schedule` {from: value} that is in force at `progress` (0 .. 1)."""
    reached = [start for start in schedule if start <= progress]
    return schedule[max(reached)] if reached else default


class Batches:
    """The batches of one process: row numbers for each call of the model, `len(self)` of them in the run.

    A batch is `size` rows of the `processes` x `size` that are trained on together, in the order of the processes. For
    GRPO each of its prompts stands there as often as it has generations, and the batch comes again for every call that
    is served from one generation, as TRL's trainer expects.
    """

    def __init__(self, order: Order, stage: SftStage | GrpoStage, steps: int, process: int, processes: int) -> None:
        self._order = order
        self._stage = stage
        self._process = process
        accumulated = stage.gradient_accumulation_steps
        self._calls = steps * accumulated
        self._steps = steps
        if isinstance(stage, GrpoStage):
            self._size, self._repeats = (
                stage.per_device_train_batch_size * accumulated,
                accumulated * stage.num_iterations,
            )
        else:
            self._size, self._repeats = stage.per_device_train_batch_size, 1
        self._together = self._size * processes
        if isinstance(stage, GrpoStage):
            for group in (stage.num_generations, *stage.generations.values()):
                if self._together % group:
                    raise ConfigError(
                        [f"{group} generations of a prompt do not divide the {self._together} completions of a step"]
                    )

    def __len__(self) -> int:
        return self._calls

    def __iter__(self) -> Iterator[list[int]]:
        position = 0
        for call in range(0, self._calls, self._repeats):
            group = self._generations(call)
            mine = range(self._process * self._size, (self._process + 1) * self._size)
            batch = [self._order.row(position + place // group) for place in mine]
            position += self._together // group
            for _ in range(min(self._repeats, self._calls - call)):
                yield batch

    def _generations(self, call: int) -> int:
        if not isinstance(self._stage, GrpoStage):
            return 1
        return generations_at(self._stage, call // self._stage.gradient_accumulation_steps / self._steps)

    def epochs(self, step: int) -> float:
        """Passes over the data after `step` steps, by the stage's own group size."""
        group = self._stage.num_generations if isinstance(self._stage, GrpoStage) else 1
        return step * rows_per_step(self._stage, self._together // self._size) / group / self._order.count


def generations_at(stage: GrpoStage, progress: float) -> int:
    """How many generations a prompt has at `progress`."""
    return int(at_progress(stage.generations, stage.num_generations, progress))


def rows_per_step(stage: SftStage | GrpoStage, processes: int) -> float:
    """The rows (for GRPO: completions) that one step of the optimizer newly takes."""
    rows = stage.per_device_train_batch_size * stage.gradient_accumulation_steps * processes
    return rows / stage.num_iterations if isinstance(stage, GrpoStage) else rows


def steps_of(stage: SftStage | GrpoStage, rows: int, processes: int = 1) -> int:
    """The steps of a stage over `rows` rows. For GRPO a whole number of generations."""
    steps = stage.max_steps
    if steps < 0:
        group = stage.num_generations if isinstance(stage, GrpoStage) else 1
        steps = math.ceil(stage.num_train_epochs * rows * group / rows_per_step(stage, processes))
    return max(1, steps)
