from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.geometry.raster import rings_to_mask
from pe.geometry.rings import mask_to_rings
from tests.geometry.drawn import any_mask, brute_force, coco_fill, structured_masks

# on the 1/64 px grid of records, well outside the image too, and often on pixel centres and edges
_COORDINATE = st.one_of(
    st.integers(-8 * 64, 24 * 64).map(lambda value: value / 64),
    st.integers(-8, 48).map(lambda value: value / 2),
)
_RING = st.lists(st.tuples(_COORDINATE, _COORDINATE), min_size=0, max_size=9).map(
    lambda points: np.array(points, np.float64).reshape(-1, 2)
)


@given(st.lists(_RING, max_size=4), st.integers(0, 16), st.integers(0, 16))
@settings(max_examples=300, deadline=None)
def test_equals_exact_even_odd(rings: list[npt.NDArray[np.float64]], height: int, width: int) -> None:
    assert np.array_equal(rings_to_mask(rings, height, width), brute_force(rings, height, width))


@given(_RING, st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_direction_and_start_do_not_matter(ring: npt.NDArray[np.float64], turn: int) -> None:
    expected = rings_to_mask([ring], 16, 16)
    assert np.array_equal(rings_to_mask([ring[::-1]], 16, 16), expected)
    assert np.array_equal(rings_to_mask([np.roll(ring, turn, axis=0)], 16, 16), expected)


@given(any_mask())
@settings(max_examples=100, deadline=None)
def test_equals_coco_on_exact_rings(mask: npt.NDArray[np.bool_]) -> None:
    rings = mask_to_rings(mask, 0)
    assert np.array_equal(rings_to_mask(rings, *mask.shape), coco_fill(rings, *mask.shape))


def test_flat_lists_and_arrays_are_the_same() -> None:
    flat = [1, 1, 5, 1, 5, 4, 1, 4]
    expected = np.zeros((6, 7), np.bool_)
    expected[1:4, 1:5] = True
    assert np.array_equal(rings_to_mask([flat], 6, 7), expected)
    assert np.array_equal(rings_to_mask([np.array(flat).reshape(-1, 2)], 6, 7), expected)


def test_a_pixel_belongs_to_the_ring_that_holds_its_centre() -> None:
    assert rings_to_mask([[0.4, 0.4, 0.6, 0.4, 0.6, 0.6, 0.4, 0.6]], 1, 1).all()
    assert not rings_to_mask([[0.6, 0.0, 1.0, 0.0, 1.0, 1.0, 0.6, 1.0]], 1, 1).any()
    left, right = [0, 0, 0.5, 0, 0.5, 1, 0, 1], [0.5, 0, 1, 0, 1, 1, 0.5, 1]
    assert not rings_to_mask([left], 1, 1).any()
    assert rings_to_mask([right], 1, 1).all()


def test_rings_outside_and_around_the_image() -> None:
    assert not rings_to_mask([[10, 10, 12, 10, 12, 12]], 8, 8).any()
    assert not rings_to_mask([[-5, -5, -1, -5, -1, -1]], 8, 8).any()
    assert rings_to_mask([[-5, -5, 20, -5, 20, 20, -5, 20]], 8, 8).all()
    assert rings_to_mask([[-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300]], 8, 8).all()


@pytest.mark.parametrize("rings", [[], [[]], [[1, 1]], [[1, 1, 5, 5]], [[2, 2, 2, 2, 2, 2]], [[0, 0, 4, 4, 8, 8]]])
def test_what_has_no_area_covers_nothing(rings: list[list[float]]) -> None:
    assert not rings_to_mask(rings, 8, 8).any()


@pytest.mark.parametrize(
    ("ring", "message"),
    [
        ([1, 2, 3, 4, 5], "pairs"),
        ([[1, 2, 3], [4, 5, 6]], "pairs"),
        ([0, 0, 4, 0, float("nan"), 4], "finite"),
        ([0, 0, 4, 0, float("inf"), 4], "finite"),
    ],
)
def test_malformed_rings_are_refused(ring: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rings_to_mask([ring], 8, 8)


def test_compatible_decoding_undoes_compatible_contours() -> None:
    for name, mask in structured_masks().items():
        if name in {"border", "donut", "nested", "all but a pixel", "checkerboard", "two diagonals"}:
            continue  # these have holes, which SimpleSeg's contours lose
        rings = mask_to_rings(mask, 0, "simpleseg-compat")
        assert np.array_equal(rings_to_mask(rings, *mask.shape, "simpleseg-compat"), mask), name
