"""The boundary F-measure on shapes whose borders are known."""

from __future__ import annotations

import numpy as np
import pytest

from pe.evaluation.metrics.boundary import boundary_f


def _square(x: int, y: int, side: int = 40) -> np.ndarray:
    mask = np.zeros((100, 100), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_equal_and_empty_masks() -> None:
    assert boundary_f(_square(20, 20), _square(20, 20)) == 1.0
    empty = np.zeros((100, 100), bool)
    assert boundary_f(empty, empty) == 1.0
    assert boundary_f(empty, _square(20, 20)) == 0.0
    assert boundary_f(_square(0, 0, 10), _square(60, 60, 10)) == 0.0


def test_a_shift_within_the_tolerance_costs_nothing_and_one_beyond_it_does() -> None:
    # 0.008 of a diagonal of 141.4 pixels is 2 pixels, rounded up.
    assert boundary_f(_square(22, 20), _square(20, 20)) == 1.0
    assert boundary_f(_square(26, 20), _square(20, 20)) < 0.75


def test_a_filled_hole_costs_recall() -> None:
    ring = _square(20, 20, 60)
    ring[40:60, 40:60] = False
    filled = _square(20, 20, 60)
    outer, inner = 4 * 59, 4 * 21
    recall = outer / (outer + inner)
    assert boundary_f(filled, ring) == pytest.approx(2 * recall / (1 + recall), abs=0.02)
