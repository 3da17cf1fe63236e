from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pe.geometry.masks import decode, mask_iou, segmentation_to_mask
from pe.geometry.rings import signed_area
from pe.geometry.simpleseg import centre_rings_to_mask, mask_to_centre_rings
from pe.schemas.sample import Rle


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, list[dict[str, object]]]:
    path = shared.parent / "golden" / "simpleseg_polygons_golden.json"
    if not path.is_file():
        pytest.skip(f"no golden cases at {path}")
    return json.loads(path.read_text())


def test_contours_equal_the_released_code(golden: dict) -> None:
    assert len(golden["contours"]) == 28
    for case in golden["contours"]:
        mask = decode(Rle.model_validate(case["rle"]))
        rings = mask_to_centre_rings(mask, case["epsilon_ratio"])
        assert [ring.tolist() for ring in rings] == case["contours_px"], case["mask"]
        assert [signed_area(ring) for ring in rings] == case["shoelace_y_down"]


def test_its_own_decoder_is_cocos_union(golden: dict) -> None:
    """The published round-trip IoU comes from COCO's rasteriser on the written (3-decimal) coordinates."""
    checked = 0
    for case in golden["contours"]:
        if case["decode_error"] is not None or not case["contours_px"]:
            continue
        width, height = case["size_wh"]
        written = [(np.array(ring) * (width, height)).ravel().tolist() for ring in json.loads(case["answer"])]
        mask = decode(Rle.model_validate(case["rle"]))
        assert mask_iou(segmentation_to_mask(written, height, width), mask) == pytest.approx(case["roundtrip_iou"])
        checked += 1
    assert checked == 20


def test_filled_with_the_border_it_gives_the_mask_back(golden: dict) -> None:
    for case in golden["contours"]:
        if case["epsilon_ratio"] == 0 and case["mask"] != "donut":
            mask = decode(Rle.model_validate(case["rle"]))
            rings = [np.array(ring, np.float64) for ring in case["contours_px"]]
            assert np.array_equal(centre_rings_to_mask(rings, *mask.shape), mask), case["mask"]


def test_parts_that_overlap_are_united() -> None:
    square = np.array([[1, 1], [1, 5], [5, 5], [5, 1]], np.float64)
    mask = centre_rings_to_mask([square, square + 2], 10, 10)
    assert mask.sum() == 25 + 25 - 9
