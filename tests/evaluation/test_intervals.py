"""Bootstrap intervals: exact by hand where that is possible, covering, and the same at every call."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from pe.evaluation.intervals import Estimate, estimate, resample
from pe.evaluation.metrics._base import Numbers, Totals


def mean_of(values: Numbers) -> Totals:
    def total(weights: Numbers) -> Mapping[str, Numbers]:
        return {"mean": weights @ values / weights.sum(axis=1)}

    return total


def test_draws_are_of_whole_images_with_replacement() -> None:
    seen: list[Numbers] = []

    def total(weights: Numbers) -> Mapping[str, Numbers]:
        seen.append(weights)
        return {"n": weights.sum(axis=1)}

    (found,) = resample([total], 7, 50, (0, 1))
    assert (found["n"] == 7).all()
    assert found["n"].shape == (51,)
    assert (seen[0] == 1).all()  # the first one is the figure itself
    assert set(np.unique(seen[1])) > {0, 1, 2}


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        (found,) = resample([mean_of(rng.normal(3, 1, 80))], 80, 400, (trial, 0))
        interval = estimate(found["mean"])
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 3 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_it_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).random(500)
    (found,) = resample([mean_of(values)], 500, 4000, (0, 0))
    interval = estimate(found["mean"])
    assert interval.low is not None
    assert interval.high is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(500), rel=0.08)


def test_draws_depend_on_the_seed_alone_and_are_shared() -> None:
    values = np.arange(30.0)
    first, again = (resample([mean_of(values)], 30, 20, (5, 1))[0]["mean"] for _ in range(2))
    assert (first == again).all()
    assert (first != resample([mean_of(values)], 30, 20, (6, 1))[0]["mean"]).any()
    one, two = resample([mean_of(values), mean_of(values + 1)], 30, 20, (5, 1))
    assert two["mean"] - one["mean"] == pytest.approx(np.ones(21))  # paired: the difference does not vary
    assert (one["mean"] == first).all()


def test_what_is_not_known_is_none() -> None:
    nan = float("nan")
    assert estimate(np.array([nan, 1.0, 2.0])) == Estimate(None)
    assert estimate(np.array([0.5])) == Estimate(0.5)
    assert estimate(np.array([0.5, nan, nan, 0.5])) == Estimate(0.5)
    assert estimate(np.array([0.5, nan, 0.5, 0.5])) == Estimate(0.5, 0.5, 0.5)
    (found,) = resample([mean_of(np.array([0.3]))], 1, 100, (0, 0))
    assert estimate(found["mean"]) == Estimate(0.3)  # one picture tells nothing of others


def test_a_mean_over_labels_is_centred() -> None:
    values = np.array([0.5, 0.55, 0.6, 0.65])
    assert estimate(values, centred=True).low == pytest.approx(0.5 - 0.0475)
    assert estimate(values, centred=True).high == pytest.approx(0.5 + 0.0475)
    assert estimate(values).low == pytest.approx(0.5525)
    low = estimate(np.array([0.02, 0.0, 0.1, 0.2]), centred=True).low
    assert low == 0.0
