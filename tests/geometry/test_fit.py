from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.geometry.fit import fit_rings
from pe.geometry.masks import mask_iou, mask_window, segmentation_to_mask
from pe.geometry.raster import rings_to_mask
from pe.geometry.rings import mask_to_rings, signed_area
from tests.geometry.drawn import any_mask, structured_masks

Mask = npt.NDArray[np.bool_]
Rings = list[npt.NDArray[np.float64]]


def _blob(seed: int, size: int = 120) -> Mask:
    """A smooth blob, often with holes and parts."""
    noise = np.random.default_rng(seed).random((size, size)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), size / 15)
    mask: Mask = smooth > np.median(smooth)
    return mask


def _check(mask: Mask, rings: Rings, epsilon: float) -> None:
    exact = mask_to_rings(mask, 0)
    assert len(rings) == len(exact)
    for before, after in zip(exact, rings, strict=True):
        assert len(after) >= 3
        assert signed_area(before) * signed_area(after) > 0
        assert (after[0, 1], after[0, 0]) == min((y, x) for x, y in after)
        assert np.array_equal(after * 64, np.rint(after * 64))
        assert len(before) != 4 or np.array_equal(before, after), "a box changed"
        assert not _crossings([after])
    if exact:
        for axis in (0, 1):
            corners = np.concatenate(exact)[:, axis]
            here = np.concatenate(rings)[:, axis]
            assert corners.min() <= here.min()
            assert here.max() <= corners.max()
    assert mask_iou(rings_to_mask(rings, *mask.shape), mask) >= 1 - 20 * epsilon - 1e-12


def _crossings(rings: Rings) -> int:
    """How many pairs of edges, of one ring or of two, cross inside both; compared one by one."""

    def side(p: list[float], q: list[float], r: list[float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    edges = [(ring[i], ring[(i + 1) % len(ring)]) for ring in map(np.ndarray.tolist, rings) for i in range(len(ring))]
    return sum(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for i, (a, b) in enumerate(edges)
        for c, d in edges[i + 1 :]
    )


@given(any_mask(), st.floats(0.0, 0.3))
@settings(max_examples=150, deadline=None)
def test_rings_of_any_mask_stand(mask: Mask, epsilon: float) -> None:
    _check(mask, fit_rings(mask, epsilon), epsilon)


@pytest.mark.parametrize("epsilon", [0.0005, 0.005, 0.02])
@pytest.mark.parametrize("name", structured_masks())
def test_rings_of_hard_masks_stand(name: str, epsilon: float) -> None:
    mask = structured_masks()[name]
    _check(mask, fit_rings(mask, epsilon), epsilon)


@given(any_mask())
@settings(max_examples=50, deadline=None)
def test_exact_at_epsilon_0(mask: Mask) -> None:
    for fitted, exact in zip(fit_rings(mask, 0), mask_to_rings(mask, 0), strict=True):
        assert np.array_equal(fitted, exact)


@given(any_mask(), st.sampled_from([0.005, 0.05]))
@settings(max_examples=50, deadline=None)
def test_ccw_is_the_reverse_from_the_same_start(mask: Mask, epsilon: float) -> None:
    for cw, ccw in zip(fit_rings(mask, epsilon), fit_rings(mask, epsilon, "ccw"), strict=True):
        assert np.array_equal(ccw, np.concatenate([cw[:1], cw[:0:-1]]))


@given(any_mask(), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_rings_move_with_the_mask(mask: Mask, x: int, y: int) -> None:
    for here, there in zip(fit_rings(mask), fit_rings(np.pad(mask, ((y, 3), (x, 5)))), strict=True):
        assert np.array_equal(here + np.array([x, y]), there)


@pytest.mark.parametrize("seed", range(6))
def test_blobs_with_holes_need_fewer_vertices_the_looser(seed: int) -> None:
    mask, last = _blob(seed), 10**9
    for epsilon in (0.0005, 0.002, 0.005, 0.01, 0.02):
        rings = fit_rings(mask, epsilon)
        _check(mask, rings, epsilon)
        assert not _crossings(rings), "of one ring or of two"
        vertices = sum(map(len, rings))
        assert vertices <= last
        last = vertices


@pytest.mark.parametrize("seed", range(6))
def test_better_than_douglas_peucker_with_as_many_vertices(seed: int) -> None:
    mask = _blob(seed)
    fitted = fit_rings(mask, 0.004)
    loose = [mask_to_rings(mask, epsilon) for epsilon in np.geomspace(0.0005, 0.05, 60)]
    rivals = [rings for rings in loose if sum(map(len, rings)) <= sum(map(len, fitted))]
    assert rivals
    best = max(mask_iou(rings_to_mask(rings, *mask.shape), mask) for rings in rivals)
    assert 1 - mask_iou(rings_to_mask(fitted, *mask.shape), mask) < 0.6 * (1 - best)


def test_a_drawn_polygon_is_found_again() -> None:
    """A hundred pixels wide, with vertices between pixels: five vertices draw it, and Douglas-Peucker needs more."""
    star = np.array([[20.25, 10.5], [110.75, 40.25], [90.5, 120.75], [55.25, 70.5], [12.5, 100.25]])
    mask = rings_to_mask([star], 130, 130)
    (ring,) = fit_rings(mask, 0.01)
    assert len(ring) == 5
    assert mask_iou(rings_to_mask([ring], 130, 130), mask) > 0.985
    assert np.abs(ring - star).max() < 3


def test_rings_that_touch_do_not_cross() -> None:
    """A disc, a hole that touches its border at corners, and single pixels that touch it from outside."""
    y, x = np.mgrid[:80, :80]
    mask = (x - 40) ** 2 + (y - 40) ** 2 < 900
    mask[(x - 40) ** 2 + (y - 22) ** 2 < 60] = False
    for i, j in zip(*np.nonzero(mask[:-1, :-1] & ~mask[1:, :-1] & ~mask[:-1, 1:]), strict=True):
        if (i + j) % 3 == 0:
            mask[i + 1, j + 1] = True
    rings = fit_rings(mask, 0.01)
    _check(mask, rings, 0.01)
    assert len(rings) >= 2
    assert not _crossings(rings)
    assert sum(map(len, rings)) < sum(map(len, mask_to_rings(mask, 0))) / 2


def test_a_thin_object_keeps_its_shape() -> None:
    y, x = np.mgrid[:620, :620]
    ski = (abs(y - x) <= 1) & (x > 5) & (x < 600)
    (ring,) = fit_rings(ski, 0.02)
    assert 4 <= len(ring) < 20
    assert mask_iou(rings_to_mask([ring], *ski.shape), ski) >= 0.9


def test_a_small_part_is_not_lost_beside_a_large_one() -> None:
    mask = np.zeros((400, 400), np.bool_)
    cv2.circle(view := mask.view(np.uint8), (200, 200), 150, 1, -1)
    view[390:392, 390:391] = 1
    view[392, 391] = 1
    rings = fit_rings(mask, 0.04)
    assert len(rings) == 2
    assert signed_area(rings[1]) > 0


@pytest.mark.parametrize("epsilon", [-0.001, 1.0, float("nan")])
def test_a_bad_epsilon_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon is a"):
        fit_rings(np.ones((2, 2), np.bool_), epsilon)


def test_quality_on_real_masks(shared: Path) -> None:
    content = json.loads((shared / "photos/coco128/instances.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    objects = [item for item in content["annotations"] if not item["iscrowd"]]
    assert len(objects) == 929
    frames = [segmentation_to_mask(item["segmentation"], *sizes[item["image_id"]]) for item in objects]
    masks = [frame[window] for frame in frames if (window := mask_window(frame)) is not None]
    for epsilon, vertices, overlap in ((0.005, 25.0, 0.990), (0.013, 14.1, 0.972)):
        fitted = [fit_rings(mask, epsilon) for mask in masks]
        drawn = [rings_to_mask(rings, *mask.shape) for rings, mask in zip(fitted, masks, strict=True)]
        assert np.mean([sum(map(len, rings)) for rings in fitted]) <= vertices
        assert np.mean([mask_iou(*pair) for pair in zip(drawn, masks, strict=True)]) >= overlap


def test_a_mask_of_noise_is_not_fitted() -> None:
    mask = np.random.default_rng(0).random((96, 96)) < 0.5
    assert len(mask_to_rings(mask, 0.0)) > 400
    rings, plain = fit_rings(mask, 0.005), mask_to_rings(mask, 0.005)
    assert all(np.array_equal(one, other) for one, other in zip(rings, plain, strict=True))
