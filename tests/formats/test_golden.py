"""The published systems' own readers and writers against the formats that carry their names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pe.formats import Answer, Item
from pe.registry import load
from tests.conftest import SHARED

GOLDEN = SHARED.parent / "golden"


def cases(file: str, part: str) -> list[dict[str, Any]]:
    path = GOLDEN / file
    return list(json.loads(path.read_text())[part]) if path.is_file() else []


REX_PARSE, REX_ENCODE = (cases("rexomni_parse_golden.json", part) for part in ("parse", "encode"))
CONTOURS, POLYGONS = (cases("simpleseg_polygons_golden.json", part) for part in ("contours", "decode"))
PR1 = cases("pr1_rewards_golden.json", "cases")
VTRIUNE = cases("vtriune_detection_golden.json", "cases")
VLMR1 = [case for case in cases("vlmr1_rewards_golden.json", "accuracy") if case["method"] == "map"]

pytestmark = pytest.mark.skipif(not REX_PARSE, reason=f"no golden cases at {GOLDEN}; set PE_TEST_DATA")


def rex_form(item: Item) -> dict[str, Any]:
    if item.keypoints is not None:
        points = {name: list(point) if point else "unvisible" for name, point in item.keypoints.items()}
        return {"type": "keypoint", "bbox": pytest.approx(list(item.bbox or ())), "keypoints": points}
    if item.rings:
        (ring,) = item.rings
        return {"type": "polygon", "coords": [pytest.approx(pair) for pair in zip(ring[::2], ring[1::2], strict=True)]}
    return {"type": "box" if item.bbox else "point", "coords": pytest.approx(item.numbers())}


@pytest.mark.parametrize("case", REX_PARSE, ids=lambda case: case["name"])
def test_rexomni_reads_as_its_parser(case: dict[str, Any]) -> None:
    decoded = load("formats", "rexomni-compat")().decode(case["text"], (case["w"], case["h"]))
    found: dict[str, list[Any]] = {phrase: [] for phrase in decoded.absent}
    for item in decoded.objects:
        found.setdefault(item.phrase, []).append(rex_form(item))
    parsed = {
        phrase: [{key: value for key, value in item.items() if key != "instance_id"} for item in items]
        for phrase, items in case["parsed"].items()
    }
    assert found == {
        phrase: [
            {**item, "coords": [tuple(pair) for pair in item["coords"]]} if item["type"] == "polygon" else item
            for item in items
        ]
        for phrase, items in parsed.items()
    }


@pytest.mark.parametrize("case", REX_ENCODE, ids=lambda case: case["tokens"])
def test_rexomni_writes_as_its_converter(case: dict[str, Any]) -> None:
    answer = Answer((Item("it", bbox=tuple(case["box"])),))
    text = load("formats", "rexomni-compat")().encode(answer, (case["w"], case["h"]))
    assert text == f"<|object_ref_start|>it<|object_ref_end|><|box_start|>{case['tokens']}<|box_end|>"


@pytest.mark.parametrize("case", CONTOURS, ids=lambda case: f"{case['mask']}-{case['epsilon_ratio']}")
def test_simpleseg_writes_as_its_builder(case: dict[str, Any]) -> None:
    rings = tuple(tuple(float(value) for pair in contour for value in pair) for contour in case["contours_px"])
    if any(len(ring) < 6 for ring in rings):
        with pytest.raises(ValueError, match="three vertices"):
            Item(rings=rings)
        return
    answer = Answer((Item(rings=rings),) if rings else ())
    width, height = case["size_wh"]
    assert load("formats", "simpleseg-compat")().encode(answer, (width, height)) == case["answer"]


@pytest.mark.parametrize("case", POLYGONS, ids=lambda case: case["name"])
def test_simpleseg_reads_as_its_decoder(case: dict[str, Any]) -> None:
    decoded = load("formats", "simpleseg-compat")().decode(case["response"], (1, 1))
    found = [ring for item in decoded.objects for ring in item.rings or ()]
    wanted = [[value for pair in polygon for value in pair] for polygon in case["polygons"] if len(polygon) >= 3]
    assert [pytest.approx(ring) for ring in wanted] == found


@pytest.mark.parametrize("case", PR1, ids=lambda case: case["name"])
def test_perception_r1_reads_as_its_reward(case: dict[str, Any]) -> None:
    (item,) = load("formats", "perception-r1-compat")().decode(case["completion"], (1000, 1000)).objects
    assert item.bbox == pytest.approx(case["parsed"])


@pytest.mark.parametrize("case", VTRIUNE, ids=lambda case: case["name"])
def test_v_triune_reads_something_where_its_reward_does(case: dict[str, Any]) -> None:
    _, high, wide = case["verifier_parm"]["image_grid_thw"][0]
    size = (wide * 14, high * 14)
    decoded = load("formats", "v-triune-compat")().decode(case["response"], size, size)
    read = any(value for name, value in case["details"].items() if name.startswith("pure_")) or case["accuracy_reward"]
    if read:
        assert decoded.objects
    if case["name"] in ("empty_list", "no_answer_tag", "json_fence", "gt_empty_list"):
        assert not decoded.objects


@pytest.mark.parametrize("case", VLMR1, ids=lambda case: case["name"])
def test_vlm_r1_reads_what_its_reward_reads(case: dict[str, Any]) -> None:
    """A perfect answer scores 1, one that nothing is read from 0, unless nothing is there."""
    read = load("formats", "vlm-r1-compat")()
    answer, truth = (read.decode(case[part], (1000, 1000)).objects for part in ("content", "solution"))
    if case["error"]:
        pytest.skip("their code fails here")
    if answer == truth:
        assert case["score"] == pytest.approx(1.0)
    if not answer and truth:
        assert case["score"] == 0.0
