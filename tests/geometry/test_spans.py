from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.geometry.masks import mask_window
from pe.geometry.raster import rings_to_mask
from pe.geometry.spans import Spans, from_mask, from_rings, overlap, rows_crossed, union

Mask = npt.NDArray[np.bool_]
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
NUMBER = st.floats(-20, 60, width=32) | st.integers(-80, 2600).map(lambda value: value / 64)
RINGS = st.lists(
    st.lists(NUMBER, min_size=6, max_size=16).map(lambda ring: ring[: len(ring) // 2 * 2]), min_size=1, max_size=3
)


def random_mask(seed: int, size: tuple[int, int]) -> Mask:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.random(size) < rng.random())


def whole(spans: Spans) -> Mask:
    return spans.window((0, 0, spans.size[1], spans.size[0]))


@settings(max_examples=120, deadline=None)
@given(RINGS, SIZES)
def test_rings_are_drawn_as_the_rasteriser_draws_them(rings: list[list[float]], size: tuple[int, int]) -> None:
    mask = rings_to_mask(rings, *size)
    spans = from_rings(rings, size)
    assert np.array_equal(whole(spans), mask)
    assert spans.area == mask.sum()
    assert 2 * len(spans.starts) <= rows_crossed(rings, size[0])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), SIZES)
def test_overlap_union_box_and_centroid_are_those_of_the_masks(seed: int, size: tuple[int, int]) -> None:
    a, b = random_mask(seed, size), random_mask(seed + 1, size)
    first, second = from_mask(a), from_mask(b)
    assert np.array_equal(whole(first), a)
    assert overlap(first, second) == overlap(second, first) == (a & b).sum()
    both = union([first, second], size)
    assert np.array_equal(whole(both), a | b)
    assert both.area == (a | b).sum()
    window = mask_window(a)
    if window is None:
        assert first.box() == (0, 0, 0, 0)
        assert first.centroid() == (0.0, 0.0)
        return
    assert first.box() == (window[1].start, window[0].start, window[1].stop, window[0].stop)
    y, x = np.nonzero(a)
    assert first.centroid() == pytest.approx((x.mean() + 0.5, y.mean() + 0.5))


@given(st.integers(0, 2**32 - 1), SIZES, st.integers(1, 5), st.data())
def test_a_window_is_a_sample_of_the_mask(seed: int, size: tuple[int, int], stride: int, data: st.DataObject) -> None:
    mask = random_mask(seed, size)
    x0, x1 = sorted(data.draw(st.lists(st.integers(0, size[1]), min_size=2, max_size=2)))
    y0, y1 = sorted(data.draw(st.lists(st.integers(0, size[0]), min_size=2, max_size=2)))
    assert np.array_equal(from_mask(mask).window((x0, y0, x1, y1), stride), mask[y0:y1:stride, x0:x1:stride])


@given(st.integers(0, 2**32 - 1), SIZES)
def test_a_point_is_in_the_mask_where_its_pixel_is_set(seed: int, size: tuple[int, int]) -> None:
    mask = random_mask(seed, size)
    spans = from_mask(mask)
    y, x = np.mgrid[: size[0], : size[1]]
    points = np.stack([x.ravel() + 0.5, y.ravel() + 0.25], axis=1)
    assert np.array_equal(spans.holds(points), mask.ravel())
    assert spans.holds((size[1], size[0])) == mask[-1, -1]
    assert not spans.holds([(size[1] + 0.01, 0), (-0.01, 0), (0, -0.01), (np.nan, 0), (np.inf, 0)]).any()


def test_nothing_overlaps_nothing() -> None:
    empty = from_rings([[1, 1, 1, 1, 1, 1]], (5, 5))
    assert empty.area == overlap(empty, empty) == union([], (5, 5)).area == 0
    assert not empty.holds((1, 1)).any()
    assert from_rings([[-9, -9, -5, -9, -5, -5]], (5, 5)).area == 0
