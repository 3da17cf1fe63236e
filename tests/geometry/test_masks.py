from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from pycocotools.coco import COCO

from pe.geometry import masks
from pe.schemas.sample import Rle
from tests.geometry.drawn import any_mask, structured_masks


@given(any_mask())
@settings(max_examples=200, deadline=None)
def test_run_lengths_round_trip(mask: npt.NDArray[np.bool_]) -> None:
    rle = masks.encode(mask)
    assert rle.size == mask.shape
    decoded = masks.decode(Rle.model_validate_json(rle.model_dump_json()))
    assert decoded.dtype == np.bool_
    assert np.array_equal(decoded, mask)
    assert np.count_nonzero(mask) == coco.area({"size": rle.size, "counts": rle.counts.encode()})


def test_long_runs_round_trip() -> None:
    mask = np.zeros((3000, 4000), np.bool_)
    mask[1000:, 1:3999:7] = True
    mask[:, 2000:3500] = True
    assert np.array_equal(masks.decode(masks.encode(mask)), mask)


@pytest.mark.parametrize("counts", ["", "0", "zzzz", "Pf4Pf4", "n" * 50, "o" * 50, "0" * 200, "`" * 9, "\0", "é", "P"])
def test_run_lengths_that_do_not_fill_the_mask_are_refused(counts: str) -> None:
    """pycocotools returns unwritten memory for most of these."""
    with pytest.raises(ValueError, match=r"run.length"):
        masks.decode(Rle(size=(60, 80), counts=counts))


@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_string_is_a_mask_or_an_error(counts: str) -> None:
    try:
        mask = masks.decode(Rle(size=(6, 8), counts=counts))
    except ValueError:
        return
    assert mask.shape == (6, 8)
    assert mask.sum() == coco.area({"size": [6, 8], "counts": counts.encode()})


def test_every_annotation_equals_cocos_own_mask(shared: Path) -> None:
    path = shared / "photos/coco128/instances.json"
    api = COCO(str(path))
    annotations = json.loads(path.read_text())["annotations"]
    assert sum(item["iscrowd"] for item in annotations) == 10
    for item in annotations:
        image = api.imgs[item["image_id"]]
        mask = masks.segmentation_to_mask(item["segmentation"], image["height"], image["width"])
        assert np.array_equal(mask, api.annToMask(item).astype(np.bool_))


def test_run_lengths_of_every_kind() -> None:
    mask = structured_masks()["donut"]
    rle = masks.encode(mask)
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=1 - int(flat[-1])))
    runs = np.diff(edges, prepend=0).tolist()
    for counts in (rle.counts, rle.counts.encode(), runs):
        found = masks.segmentation_to_mask({"size": list(mask.shape), "counts": counts}, *mask.shape)
        assert np.array_equal(found, mask)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "without polygons"),
        ([[]], "6 or more"),
        ([[1, 2, 3, 4]], "6 or more"),
        ([[1, 2, 3, 4, 5, 6, 7]], "6 or more"),
        ([[[1, 2], [3, 4], [5, 6]]], "6 or more"),
        ([[1, 2, 3, 4, 5, float("nan")]], "finite"),
        ([[1, 2, 3, 4, 5, float("inf")]], "finite"),
        ([[1, 2, 3, 4, 5, "x"]], "not a number"),
        ([[1, 2, 3, 4, 5, None]], "finite|not a number"),
        ([[1, 2, 3, 4, 5, 1e9]], "px out"),
        ([None], "6 or more|not a number|finite"),
        (None, "polygons or run lengths"),
        ("abc", "polygons or run lengths"),
        ({"size": [10, 10]}, "polygons or run lengths"),
        ({"size": [10, 11], "counts": [110]}, "for an image of 10 x 10"),
        ({"size": [10, 10], "counts": [99]}, "do not fill"),
        ({"size": [10, 10], "counts": [-1, 101]}, "do not fill"),
        ({"size": [10, 10], "counts": [10**30]}, "do not fill"),
        ({"size": [10, 10], "counts": [50.0, 50]}, "whole numbers"),
        ({"size": [10, 10], "counts": None}, "whole numbers"),
        ({"size": [10, 10], "counts": "Pf4"}, "do not fill"),
        ({"size": None, "counts": [100]}, "for an image of 10 x 10"),
    ],
)
def test_malformed_segmentations_are_refused(segmentation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        masks.segmentation_to_mask(segmentation, 10, 10)


def test_iou() -> None:
    a, b = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    assert masks.mask_iou(a, b) == 1.0
    a[:2] = True
    assert masks.mask_iou(a, b) == 0.0
    b[1:3] = True
    assert masks.mask_iou(a, b) == pytest.approx(4 / 12)


@given(any_mask())
@settings(max_examples=100, deadline=None)
def test_window_holds_every_pixel_and_no_empty_side(mask: npt.NDArray[np.bool_]) -> None:
    window = masks.mask_window(mask)
    if window is None:
        assert not mask.any()
        return
    crop = mask[window]
    assert crop.sum() == mask.sum()
    assert crop[0].any()
    assert crop[-1].any()
    assert crop[:, 0].any()
    assert crop[:, -1].any()


@given(any_mask())
@settings(max_examples=100, deadline=None)
def test_interior_point_is_inside_and_deepest(mask: npt.NDArray[np.bool_]) -> None:
    point = masks.interior_point(mask)
    if point is None:
        assert not mask.any()
        return
    x, y = point
    assert mask[int(y), int(x)]
    assert (x % 1, y % 1) == (0.5, 0.5)
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    depth = {(i, j): np.hypot(*(outside - (j, i)).T).min() for j, i in np.argwhere(mask).tolist()}
    assert depth[int(x), int(y)] == pytest.approx(max(depth.values()), abs=1e-4)


def test_interior_point_of_known_shapes() -> None:
    bar = np.zeros((9, 30), np.bool_)
    bar[3:6, 4:25] = True
    assert masks.interior_point(bar) == (14.5, 4.5)
    donut = structured_masks()["donut"]
    x, y = masks.interior_point(donut) or (0, 0)
    assert donut[int(y), int(x)]
    assert masks.interior_point(np.ones((5, 5), np.bool_)) == (2.5, 2.5)
