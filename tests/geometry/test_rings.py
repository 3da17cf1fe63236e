from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.geometry.masks import mask_iou, segmentation_to_mask
from pe.geometry.raster import rings_to_mask
from pe.geometry.rings import mask_to_rings, signed_area
from tests.geometry.drawn import any_mask, coco_fill, structured_masks

Rings = list[npt.NDArray[np.float64]]


def _check_exact(mask: npt.NDArray[np.bool_]) -> None:
    rings = mask_to_rings(mask, 0)
    assert np.array_equal(rings_to_mask(rings, *mask.shape), mask)
    assert np.array_equal(coco_fill(rings, *mask.shape), mask)
    assert sum(map(signed_area, rings)) == mask.sum()
    for ring in rings:
        assert ring.dtype == np.float64
        assert ring.shape[1] == 2
        assert np.array_equal(ring, np.rint(ring))
        before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        assert (before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]).all(), "a repeated or collinear vertex"
        _check_start(ring)
    assert len({(signed_area(ring) > 0, *ring[0]) for ring in rings}) == len(rings)


def _check_start(ring: npt.NDArray[np.float64]) -> None:
    assert (ring[0, 1], ring[0, 0]) == min((y, x) for x, y in ring)


@given(any_mask())
@settings(max_examples=300, deadline=None)
def test_exact_on_any_mask(mask: npt.NDArray[np.bool_]) -> None:
    _check_exact(mask)


@pytest.mark.parametrize("name", structured_masks())
def test_exact_on_hard_masks(name: str) -> None:
    _check_exact(structured_masks()[name])


def test_known_rings() -> None:
    mask = np.zeros((6, 7), np.bool_)
    mask[1:5, 1:6] = True
    mask[2:4, 2:4] = False
    outer, hole = mask_to_rings(mask, 0)
    assert outer.tolist() == [[1, 1], [6, 1], [6, 5], [1, 5]]
    assert hole.tolist() == [[2, 2], [2, 4], [4, 4], [4, 2]]
    assert (signed_area(outer), signed_area(hole)) == (20, -4)
    assert mask_to_rings(np.zeros((6, 7), np.bool_)) == []


def test_holes_follow_their_outer_ring() -> None:
    mask = structured_masks()["nested"]
    mask = np.concatenate([mask, np.zeros_like(mask[:, :1]), mask], axis=1)
    current: npt.NDArray[np.bool_] | None = None
    starts = []
    for ring in mask_to_rings(mask, 0):
        filled = rings_to_mask([ring], *mask.shape)
        if signed_area(ring) > 0:
            current = filled
            starts.append((ring[0, 1], ring[0, 0]))
        else:
            assert current is not None
            assert (current & filled).sum() == filled.sum()
    assert starts == sorted(starts)
    assert len(starts) > 4


@given(any_mask(), st.floats(0.0, 0.3))
@settings(max_examples=300, deadline=None)
def test_simplified_rings_stand(mask: npt.NDArray[np.bool_], epsilon: float) -> None:
    exact, rings = mask_to_rings(mask, 0), mask_to_rings(mask, epsilon)
    assert len(rings) == len(exact)
    for before, after in zip(exact, rings, strict=True):
        assert signed_area(before) * signed_area(after) > 0
        assert {tuple(vertex) for vertex in after.tolist()} <= {tuple(vertex) for vertex in before.tolist()}
        assert not _crosses_itself(after) or np.array_equal(after, before)
        _check_start(after)
    assert mask_iou(rings_to_mask(rings, *mask.shape), mask) >= 1 - 20 * epsilon - 1e-12


@given(any_mask(), st.sampled_from([0.0, 0.005, 0.05]))
@settings(max_examples=60, deadline=None)
def test_ccw_is_the_reverse_from_the_same_start(mask: npt.NDArray[np.bool_], epsilon: float) -> None:
    for cw, ccw in zip(mask_to_rings(mask, epsilon), mask_to_rings(mask, epsilon, "ccw"), strict=True):
        assert np.array_equal(ccw, np.concatenate([cw[:1], cw[:0:-1]]))
        assert signed_area(ccw) == -signed_area(cw)


@given(any_mask(), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_rings_move_with_the_mask(mask: npt.NDArray[np.bool_], x: int, y: int) -> None:
    moved = np.pad(mask, ((y, 3), (x, 5)))
    for here, there in zip(mask_to_rings(mask), mask_to_rings(moved), strict=True):
        assert np.array_equal(here + np.array([x, y]), there)


@given(any_mask(), st.floats(0.0, 0.4, exclude_max=True))
@settings(max_examples=100, deadline=None)
def test_nothing_on_the_pixel_grid_is_nearer_than_the_shortcut_assumes(
    mask: npt.NDArray[np.bool_], tolerance: float
) -> None:
    for ring in mask_to_rings(mask, 0):
        reduced = cv2.approxPolyDP(ring.astype(np.int32)[:, None], tolerance, True)
        assert len(reduced) == len(ring)


def test_a_thin_object_keeps_its_shape() -> None:
    """At epsilon 0.02 of its perimeter the tolerance (24 px) is far wider than the object (3 px)."""
    y, x = np.mgrid[:620, :620]
    ski = (abs(y - x) <= 1) & (x > 5) & (x < 600)
    (ring,) = mask_to_rings(ski, 0.02)
    assert 4 <= len(ring) < 100
    assert mask_iou(rings_to_mask([ring], *ski.shape), ski) >= 0.6


def test_a_small_part_is_not_lost_beside_a_large_one() -> None:
    mask = np.zeros((400, 400), np.bool_)
    cv2.circle(view := mask.view(np.uint8), (200, 200), 150, 1, -1)
    view[390:392, 390:391] = 1
    view[392, 391] = 1
    rings = mask_to_rings(mask, 0.04)
    assert len(rings) == 2
    assert rings_to_mask(rings, 400, 400)[390, 390]


@pytest.mark.parametrize("epsilon", [-0.001, 1.0, float("nan")])
def test_a_bad_epsilon_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match="fraction of a ring's perimeter"):
        mask_to_rings(np.ones((2, 2), np.bool_), epsilon)


def test_compatible_contours_go_by_name() -> None:
    (ring,) = mask_to_rings(np.ones((3, 4), np.bool_), 0, "simpleseg-compat")
    assert ring.tolist() == [[0, 0], [0, 2], [3, 2], [3, 0]]
    assert signed_area(ring) < 0


def test_quality_on_real_masks(shared: Path) -> None:
    content = json.loads((shared / "photos/coco128/instances.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    objects = [item for item in content["annotations"] if not item["iscrowd"]]
    assert len(objects) == 929
    by_coco, own, before, after = [], [], [], []
    for item in objects:
        size = sizes[item["image_id"]]
        mask = segmentation_to_mask(item["segmentation"], *size)
        exact, rings = mask_to_rings(mask, 0), mask_to_rings(mask)
        assert np.array_equal(coco_fill(exact, *size), mask)
        assert np.array_equal(rings_to_mask(exact, *size), mask)
        by_coco.append(mask_iou(coco_fill(rings, *size), mask))
        own.append(mask_iou(rings_to_mask(rings, *size), mask))
        before += map(len, exact)
        after += map(len, rings)
    assert np.mean(by_coco) >= 0.975
    assert np.mean(own) >= 0.975
    assert min(own) >= 0.9
    assert min(by_coco) >= 0.89
    assert np.mean(after) < np.mean(before) / 8


def _crosses_itself(ring: npt.NDArray[np.float64]) -> bool:
    """Whether any two of all edges cross inside both, compared one by one."""

    def side(p: list[float], q: list[float], r: list[float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    edges = list(zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True))
    return any(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for i, (a, b) in enumerate(edges)
        for c, d in edges[i + 1 :]
    )
