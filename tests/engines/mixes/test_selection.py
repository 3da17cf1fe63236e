"""Exact weights, levelling, and an order that the seed alone decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.engines.mixes.selection import apportion, counts, level
from pe.engines.mixes.settings import Level, MixSettings
from pe.errors import InputError


def settings(*leaves: dict[str, Any], **more: Any) -> MixSettings:
    sources = [{"data": "a", "task": f"task{number}", **leaf} for number, leaf in enumerate(leaves)]
    return MixSettings.model_validate({"kind": "sft", "out": Path("out"), "sources": sources, **more})


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 100), min_size=1, max_size=12))
def test_shares_add_up_and_are_off_by_less_than_one(total: int, weights: list[float]) -> None:
    shares = apportion(total, dict(enumerate(weights)))
    assert sum(shares.values()) == total
    for key, weight in enumerate(weights):
        assert abs(shares[key] - total * weight / sum(weights)) < 1 + 1e-6


def test_a_budget_is_split_by_weight_and_counts_are_exact() -> None:
    mix = settings({"weight": 3.0}, {"weight": 1.0}, {"count": 7}, rows=107)
    assert counts(mix, [10, 1000, 5]) == [75, 25, 7]


def test_without_a_budget_weights_are_repetitions() -> None:
    assert counts(settings({}, {"weight": 2.5}, {"weight": 0.0}), [10, 4, 9]) == [10, 10, 0]
    assert counts(settings({}, epochs=0.5), [10]) == [5]


def test_counts_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(InputError, match="counts add up to 9"):
        counts(settings({"count": 9}, rows=5), [100])
    with pytest.raises(InputError, match="counts add up to 3"):
        counts(settings({"count": 3}, rows=5), [100])


def test_a_leaf_that_stands_twice_is_one() -> None:
    twice = settings({"task": "detect", "weight": 1.0}, {"task": "detect", "weight": 2.0}, {"task": "point"})
    assert [(leaf.task, leaf.weight) for leaf in twice.leaves] == [("detect", 3.0), ("point", 1.0)]


@given(st.lists(st.integers(0, 3), max_size=200), st.integers(1, 20))
def test_at_most_so_many_a_group(groups: list[int], most: int) -> None:
    pool = np.arange(len(groups))
    numbers = np.array(groups, np.int32)
    kept = level(pool, numbers, ["a", "b", "c", "d"], Level(by="phrase", most=most))
    for group in range(4):
        assert (numbers[kept] == group).sum() == min(most, groups.count(group))
        first = np.flatnonzero(numbers == group)[:most]
        assert set(first) <= set(kept.tolist())


def test_shares_are_exact_and_the_rest_is_left_out() -> None:
    groups = np.array([0] * 50 + [1] * 30 + [2] * 9, np.int32)
    kept = level(
        np.arange(89),
        groups,
        ["multi", "single", "none"],
        Level(by="multiplicity", shares={"multi": 2.0, "single": 1.0}),
    )
    assert np.bincount(groups[kept], minlength=3).tolist() == [50, 25, 0]
