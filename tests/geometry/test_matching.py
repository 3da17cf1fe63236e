from __future__ import annotations

from itertools import combinations, permutations
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.geometry.matching import Overlaps, greedy, greedy_best_pair, greedy_by_column, hungarian, most_pairs

_EIGHTHS = st.integers(0, 8).map(lambda value: value / 8)


@st.composite
def matrices(draw: st.DrawFn, most: int = 4) -> Overlaps:
    rows, columns = draw(st.integers(0, most)), draw(st.integers(0, most))
    values = draw(st.lists(_EIGHTHS, min_size=rows * columns, max_size=rows * columns))
    return np.array(values, np.float64).reshape(rows, columns)


def best_by_trying(matrix: Overlaps, threshold: float) -> tuple[float, int]:
    """Largest sum, and the most pairs that reach it, of all one-to-one choices."""
    rows, columns = matrix.shape
    best = (0.0, 0)
    for count in range(1, min(rows, columns) + 1):
        for left in combinations(range(rows), count):
            for right in permutations(range(columns), count):
                values = [matrix[i, j] for i, j in zip(left, right, strict=True)]
                if all(value >= threshold and value > 0 for value in values):
                    best = max(best, (float(sum(values)), count))
    return best


@given(matrices(), _EIGHTHS)
def test_no_choice_of_pairs_is_better(matrix: Overlaps, threshold: float) -> None:
    pairs = hungarian(matrix, threshold)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(matrix[pair] >= threshold and matrix[pair] > 0 for pair in pairs)
    assert pairs == sorted(pairs) == hungarian(matrix, threshold)
    assert (sum(matrix[pair] for pair in pairs), len(pairs)) == best_by_trying(matrix, threshold)


@given(matrices(6), _EIGHTHS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_changes_neither_sum_nor_number(
    matrix: Overlaps, threshold: float, random: Random
) -> None:
    rows, columns = list(range(matrix.shape[0])), list(range(matrix.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    turned = matrix[np.ix_(rows, columns)]
    before, after = hungarian(matrix, threshold), hungarian(turned, threshold)
    assert len(before) == len(after)
    assert sum(matrix[pair] for pair in before) == sum(turned[pair] for pair in after)


def test_pairs_below_the_threshold_displace_none() -> None:
    # Without a threshold the two lesser pairs add up to more than the one that is good.
    overlaps = [[0.8, 0.49], [0.49, 0.0]]
    assert hungarian(overlaps, 0.0) == [(0, 1), (1, 0)]
    assert hungarian(overlaps, 0.5) == [(0, 0)]
    assert hungarian([[0.5]], 0.5) == [(0, 0)]
    # A better pair does give way where the two that take its place add up to more.
    assert hungarian([[0.9, 0.6], [0.8, 0.4]], 0.5) == [(0, 1), (1, 0)]


def test_nothing_to_match_and_what_is_no_number() -> None:
    assert hungarian(np.zeros((0, 3)), 0.5) == hungarian(np.zeros((3, 0)), 0.5) == hungarian([[0.0]], 0.0) == []
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            hungarian([[bad]], 0.5)


def coco_by_the_letter(
    matrix: Overlaps, scores: list[float], thresholds: list[float], crowd: list[bool]
) -> npt.NDArray[np.int64]:
    """The loops of COCOeval.evaluateImg (pycocotools 2.0.11)."""
    gtind = np.argsort(crowd, kind="mergesort")
    dtind = np.argsort([-score for score in scores], kind="mergesort")
    found = np.full((len(thresholds), len(scores)), -1, np.int64)
    for tind, t in enumerate(thresholds):
        gtm = np.zeros(len(crowd))
        for d in dtind:
            iou, m = min([t, 1 - 1e-10]), -1
            for g in gtind:
                if gtm[g] > 0 and not crowd[g]:
                    continue
                if m > -1 and not crowd[m] and crowd[g]:
                    break
                if matrix[d, g] < iou:
                    continue
                iou, m = matrix[d, g], g
            if m == -1:
                continue
            found[tind, d] = m
            gtm[m] = 1
    return found


@given(matrices(6), st.data())
def test_greedy_is_cocos(matrix: Overlaps, data: st.DataObject) -> None:
    scores = data.draw(st.lists(_EIGHTHS, min_size=len(matrix), max_size=len(matrix)))
    crowd = data.draw(st.lists(st.booleans(), min_size=matrix.shape[1], max_size=matrix.shape[1]))
    thresholds = [0.25, 0.5, 0.875, 1.0]
    found = greedy(matrix, scores, thresholds, crowd)
    assert found.shape == (4, len(matrix))
    assert np.array_equal(found, coco_by_the_letter(matrix, scores, thresholds, crowd))


@given(matrices(), _EIGHTHS)
def test_no_choice_has_more_pairs_and_of_those_none_a_larger_sum(matrix: Overlaps, threshold: float) -> None:
    pairs = most_pairs(matrix, threshold)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(matrix[pair] >= threshold and matrix[pair] > 0 for pair in pairs)
    best = (0, 0.0)
    for count in range(1, min(matrix.shape) + 1):
        for left in combinations(range(matrix.shape[0]), count):
            for right in permutations(range(matrix.shape[1]), count):
                values = [float(matrix[i, j]) for i, j in zip(left, right, strict=True)]
                if all(value >= threshold and value > 0 for value in values):
                    best = max(best, (count, sum(values)))
    assert (len(pairs), sum(float(matrix[pair]) for pair in pairs)) == best


def test_more_pairs_are_not_always_the_larger_sum() -> None:
    # two pairs of 0.5 are one more than the pair of 1.0 that rules them out, and no larger; three of 0.5 against two
    overlaps = [[1.0, 0.5, 0.0], [0.5, 0.0, 1.0], [0.0, 0.0, 0.5]]
    assert most_pairs(overlaps, 0.5) == [(0, 1), (1, 0), (2, 2)]
    assert hungarian(overlaps, 0.5) == [(0, 0), (1, 2)]
    with pytest.raises(ValueError, match="finite"):
        most_pairs([[np.nan]], 0.5)


def best_pairs_by_the_letter(matrix: Overlaps, threshold: float) -> list[tuple[int, int]]:
    """Look through all pairs that are left, again and again, for one that is larger than any before it."""
    rows, columns = list(range(matrix.shape[0])), list(range(matrix.shape[1]))
    pairs = []
    while rows and columns:
        largest, at = -1.0, (-1, -1)
        for row in rows:
            for column in columns:
                if matrix[row, column] > largest:
                    largest, at = matrix[row, column], (row, column)
        if largest < threshold:
            break
        pairs.append(at)
        rows.remove(at[0])
        columns.remove(at[1])
    return pairs


@given(matrices(6), _EIGHTHS)
def test_the_best_pair_first(matrix: Overlaps, threshold: float) -> None:
    assert greedy_best_pair(matrix, threshold) == best_pairs_by_the_letter(matrix, threshold)


def columns_by_the_letter(matrix: Overlaps, threshold: float) -> list[tuple[int, int]]:
    taken: list[int] = []
    pairs = []
    for column in range(matrix.shape[1]):
        rows = [row for row in range(matrix.shape[0]) if row not in taken]
        overlaps = [matrix[row, column] for row in rows]
        if rows and max(overlaps) >= threshold and max(overlaps) > 0:
            row = rows[int(np.argmax(overlaps))]
            taken.append(row)
            pairs.append((row, column))
    return pairs


@given(matrices(6), _EIGHTHS)
def test_columns_in_their_order(matrix: Overlaps, threshold: float) -> None:
    assert greedy_by_column(matrix, threshold) == columns_by_the_letter(matrix, threshold)
