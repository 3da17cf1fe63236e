from __future__ import annotations

from itertools import combinations, permutations
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.geometry.matching import Overlaps, greedy, hungarian

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
