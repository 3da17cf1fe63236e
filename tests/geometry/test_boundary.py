from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.geometry.boundary import boundary_f

Mask = npt.NDArray[np.bool_]


def square(x: int, y: int, side: int, height: int = 100, width: int = 120) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[y : y + side, x : x + side] = True
    return mask


def davis(mask: Mask, truth: Mask) -> float:
    """db_eval_boundary of DAVIS as it is published, its disk and dilation by OpenCV."""

    def borders(seg: Mask) -> Mask:
        e, s, se = np.zeros_like(seg), np.zeros_like(seg), np.zeros_like(seg)
        e[:, :-1], s[:-1, :], se[:-1, :-1] = seg[:, 1:], seg[1:, :], seg[1:, 1:]
        b = seg ^ e | seg ^ s | seg ^ se
        b[-1, :] = seg[-1, :] ^ e[-1, :]
        b[:, -1] = seg[:, -1] ^ s[:, -1]
        b[-1, -1] = 0
        return b

    pixels = int(np.ceil(0.008 * np.linalg.norm(mask.shape)))
    y, x = np.mgrid[-pixels : pixels + 1, -pixels : pixels + 1]
    disk = (x * x + y * y <= pixels * pixels).astype(np.uint8)
    fg, gt = borders(mask), borders(truth)
    fg_match = fg & (cv2.dilate(gt.astype(np.uint8), disk) > 0)
    gt_match = gt & (cv2.dilate(fg.astype(np.uint8), disk) > 0)
    if not fg.any() or not gt.any():
        return float(not fg.any() and not gt.any())
    precision, recall = fg_match.sum() / fg.sum(), gt_match.sum() / gt.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 260), st.integers(2, 260), st.integers(1, 41))
def test_it_is_what_davis_computes(seed: int, height: int, width: int, grain: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(2):
        noise = cv2.blur(rng.random((height, width)), (grain, grain))
        masks.append(noise > np.quantile(noise, rng.random()))
    assert boundary_f(*masks) == pytest.approx(davis(*masks), abs=1e-12)


def test_known_shapes() -> None:
    reach = math.ceil(0.008 * math.hypot(100, 120))
    assert reach == 2
    there = square(30, 20, 40)
    assert boundary_f(there, there) == 1.0
    assert boundary_f(square(30 + reach, 20, 40), there) == 1.0
    assert boundary_f(square(80, 70, 20), there) == 0.0
    # Three columns apart: the upright sides are too far, the level ones still fit but for their ends.
    assert boundary_f(square(33, 20, 40), there) == pytest.approx(0.5, abs=0.05)


def test_masks_without_a_border() -> None:
    nothing, everything = np.zeros((40, 40), np.bool_), np.ones((40, 40), np.bool_)
    assert boundary_f(nothing, nothing) == boundary_f(everything, everything) == 1.0
    assert boundary_f(nothing, square(5, 5, 20, 40, 40)) == boundary_f(square(5, 5, 20, 40, 40), nothing) == 0.0


def test_a_filled_hole_costs_as_much_as_its_border() -> None:
    ring, filled = square(20, 20, 60), square(20, 20, 60)
    ring[40:60, 40:60] = False
    outer, inner = 4 * 60, 4 * 20
    recall = outer / (outer + inner)
    assert boundary_f(filled, ring) == boundary_f(ring, filled) == pytest.approx(2 * recall / (1 + recall), abs=0.01)


def test_a_window_is_as_good_as_the_picture() -> None:
    there, off = square(30, 20, 40), square(32, 20, 40)
    window = np.s_[19:61, 29:73]
    assert boundary_f(off[window], there[window], math.ceil(0.008 * math.hypot(100, 120))) == boundary_f(off, there)
    assert boundary_f(off, there, 1) < boundary_f(off, there) == 1.0
