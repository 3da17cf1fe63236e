from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.errors import ConfigError, InputError
from pe.training.order import Batches, Order, order_of, steps_of
from pe.training.settings import GrpoStage, SftStage


def sft(**changes: Any) -> SftStage:
    return SftStage.model_validate({"per_device_train_batch_size": 2, **changes})


def grpo(**changes: Any) -> GrpoStage:
    return GrpoStage.model_validate({"per_device_train_batch_size": 8, "num_generations": 4, **changes})


def order(count: int, seed: int = 0) -> Order:
    return Order([np.arange(count)], seed, True)


@given(st.integers(1, 40), st.integers(0, 9), st.integers(0, 5))
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(count: int, seed: int, epoch: int) -> None:
    rows = [order(count, seed).row(epoch * count + place) for place in range(count)]
    assert sorted(rows) == list(range(count))
    assert rows == [order(count, seed).row(epoch * count + place) for place in range(count)]
    if count > 20:
        assert rows != [order(count, seed).row((epoch + 1) * count + place) for place in range(count)]
        assert rows != [order(count, seed + 1).row(epoch * count + place) for place in range(count)]


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 6), st.integers(5, 30))
def test_processes_share_the_rows_out(processes: int, accumulated: int, steps: int, count: int) -> None:
    stage = sft(gradient_accumulation_steps=accumulated)
    found = [list(Batches(order(count), stage, steps, process, processes)) for process in range(processes)]
    assert {len(batches) for batches in found} == {steps * accumulated}
    together = [row for batches in zip(*found, strict=True) for batch in batches for row in batch]
    assert together == [order(count).row(place) for place in range(len(together))]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_group_is_one_prompt_and_comes_for_every_call_of_its_generation(processes: int) -> None:
    stage = grpo(gradient_accumulation_steps=2, num_iterations=2, save_steps=2)
    found = [list(Batches(order(50), stage, 4, process, processes)) for process in range(processes)]
    for batches in found:
        assert len(batches) == 8  # calls of the model: 4 steps of 2
        assert batches[:4] == [batches[0]] * 4
        assert batches[4:] == [batches[4]] * 4
        assert batches[0] != batches[4]
    together = Counter(row for batches in found for row in batches[0])
    assert set(together.values()) == {4}
    assert len(together) == 4 * processes


def test_the_groups_size_follows_its_schedule() -> None:
    batches = list(Batches(order(100), grpo(generations={0.5: 2}), 4, 0, 1))
    assert [sorted(Counter(batch).values()) for batch in batches] == [[4, 4], [4, 4], [2] * 4, [2] * 4]
    rows = [row for batch in batches for row in dict.fromkeys(batch)]
    assert rows == [order(100).row(place) for place in range(12)]


@pytest.mark.parametrize(
    ("stage", "rows", "processes", "steps"),
    [
        (sft(), 11, 1, 6),
        (sft(num_train_epochs=2.0, gradient_accumulation_steps=2), 11, 1, 6),
        (sft(), 11, 3, 2),
        (sft(max_steps=7), 11, 1, 7),
        (grpo(), 11, 1, 6),
        (grpo(num_iterations=2, save_steps=2), 11, 1, 11),
        (grpo(), 11, 2, 3),
    ],
)
def test_steps(stage: SftStage | GrpoStage, rows: int, processes: int, steps: int) -> None:
    assert steps_of(stage, rows, processes) == steps


def curriculum(tmp_path: Path, *lines: Any, **more: Any) -> SftStage:
    path = tmp_path / "difficulty.jsonl"
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return sft(curriculum={"scores": path, **more})


def test_a_curriculum_goes_from_easy_to_hard(tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(20)]
    lines = [{"key": key, "pass_rate": number / 20} for number, key in enumerate(keys)]
    easy = order_of(keys, curriculum(tmp_path, *lines, buckets=4), 0)
    assert easy.count == 20
    first, again = ([easy.row(start + place) for place in range(5)] for start in (0, 20))
    assert set(first) == set(again) == {15, 16, 17, 18, 19}
    assert first != again
    hard = order_of(keys, curriculum(tmp_path, *lines, buckets=4, first="hard", least=0.2, most=0.6), 0)
    assert [hard.count, hard.row(0) in (4, 5, 6), hard.row(8) in (11, 12)] == [9, True, True]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([{"key": "other", "pass_rate": 0.5}], "no row of the data has a score"),
        ([{"key": "k0", "rate": 0.5}], "line 1 is not"),
        (["[" * 9999 + "\n"], "line 1 is not"),
    ],
)
def test_scores_that_are_none(tmp_path: Path, lines: list[Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        order_of(["k0"], curriculum(tmp_path, *lines), 0)


def test_a_curriculum_needs_keys_that_tell_rows_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have the same"):
        order_of(["k0", "k0"], curriculum(tmp_path, {"key": "k0", "pass_rate": 0.5}), 0)


def test_groups_of_a_schedule_have_to_divide_a_step_too() -> None:
    with pytest.raises(ConfigError, match="16 generations of a prompt do not divide the 8"):
        Batches(order(100), grpo(generations={0.5: 16}), 4, 0, 1)
    assert len(Batches(order(100), grpo(generations={0.5: 16}), 4, 0, 2)) == 4
