"""The matcher: best one-to-one pairs, and COCO's greedy ones."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pe.geometry.matching import greedy, hungarian

SMALL = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
    elements=st.sampled_from([0.0, 0.1, 0.3, 0.49, 0.5, 0.6, 0.75, 0.9, 1.0]),
)


def _best(matrix: npt.NDArray[np.float64], threshold: float) -> tuple[int, float]:
    """The most pairs, and their largest sum, by trying every way."""
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    ways = permutations(range(matrix.shape[1]), matrix.shape[0])
    kept = ([matrix[i, j] for i, j in enumerate(way) if matrix[i, j] >= threshold] for way in ways)
    return max((len(values), round(sum(values), 9)) for values in kept)


@given(SMALL, st.sampled_from([0.3, 0.5, 0.75]))
def test_no_other_choice_is_better(matrix: npt.NDArray[np.float64], threshold: float) -> None:
    pairs = hungarian(matrix, threshold)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(matrix[pair] >= threshold for pair in pairs)
    assert (len(pairs), round(sum(matrix[pair] for pair in pairs), 9)) == _best(matrix, threshold)


@given(SMALL, st.randoms(use_true_random=False))
def test_order_changes_no_total(matrix: npt.NDArray[np.float64], random: object) -> None:
    rows = np.random.default_rng(0).permutation(len(matrix))
    before, after = hungarian(matrix), hungarian(matrix[rows])
    assert len(before) == len(after)
    assert sum(matrix[pair] for pair in before) == pytest.approx(sum(matrix[rows][pair] for pair in after))


def test_a_pair_below_the_threshold_stands_in_no_way() -> None:
    assert hungarian([[0.9, 0.6], [0.8, 0.4]], 0.5) == [(0, 1), (1, 0)]
    assert hungarian([[0.4]], 0.5) == []
    assert hungarian(np.zeros((0, 3))) == []
    assert hungarian([[0.0]], 0.0) == []


def test_greedy_takes_the_best_free_one_and_crowds_last() -> None:
    overlaps = [[0.9, 0.6], [0.8, 0.55], [0.7, 0.0]]
    assert greedy(overlaps, [0.5, 0.85]).tolist() == [[0, 1, -1], [0, -1, -1]]
    crowd = [False, True]
    assert greedy([[0.6, 0.9], [0.0, 0.8], [0.0, 0.8]], [0.5], crowd).tolist() == [[0, 1, 1]]
