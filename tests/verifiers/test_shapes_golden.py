"""Rewards of one box and of points against what the published systems' own code returns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pe.registry import load
from pe.verifiers import Question, score
from tests.conftest import SHARED

GOLDEN = SHARED.parent / "golden"


def cases(file: str, part: str) -> list[dict[str, Any]]:
    path = GOLDEN / file
    return list(json.loads(path.read_text())[part]) if path.is_file() else []


REX = [case for case in cases("rexomni_reward_golden.json", "cases") if case["reward"].startswith("point")]
PR1 = cases("pr1_rewards_golden.json", "cases")
REC, OVERLAPS = (cases("vlmr1_rewards_golden.json", part) for part in ("format_reward_rec", "iou"))
DRAWN = cases("simpleseg_polygons_golden.json", "decode")

pytestmark = pytest.mark.skipif(not REX, reason=f"no golden cases at {GOLDEN}; set PE_TEST_DATA")


@pytest.mark.parametrize("case", REX, ids=lambda case: case["name"])
def test_rexomni_points(case: dict[str, Any]) -> None:
    width, height = case["ground_truth"]["raw_image_size"]
    name = f"rexomni-{case['reward'].replace('_', '-')}-compat"
    question = Question(name, json.dumps(case["ground_truth"]), (width, height))
    (found,) = score(question, [case["predict"]])
    assert found.score == pytest.approx(case["score"], abs=1e-9)


@pytest.mark.parametrize("case", PR1, ids=lambda case: case["name"])
def test_perception_r1(case: dict[str, Any]) -> None:
    question = Question("perception-r1-compat", case["solution"], (1000, 1000))
    (found,) = score(question, [case["completion"]])
    assert found.components["format"] == case["format_regex_as_released"]
    if case["error"]:
        assert found.score is None
        assert "divides" in found.reason
    else:
        assert found.score == pytest.approx(case["reward_iou_squared"], abs=1e-9)
    escaped = json.dumps({"also": {"perception-r1-format-compat": {"escaped": True}}})
    (meant,) = score(Question("perception-r1-compat", case["solution"], (640, 480), escaped), [case["completion"]])
    assert meant.components["format"] == case["format_regex_escaped"]
    assert meant.score == found.score


@pytest.mark.parametrize("case", OVERLAPS, ids=str)
def test_vlm_r1_overlap(case: dict[str, Any]) -> None:
    response = f"<think> t </think><answer>{{'box': {case['a']}}}</answer>"
    for truth in (str(case["b"]), f"<answer> {case['b']} </answer>"):
        (found,) = score(Question("vlm-r1-rec-compat", truth, (640, 480)), [response])
        assert found.score == pytest.approx(case["iou"], abs=1e-9)


@pytest.mark.parametrize("case", REC, ids=lambda case: case["content"])
def test_vlm_r1_format(case: dict[str, Any]) -> None:
    (found,) = score(Question("vlm-r1-rec-compat", "[1, 2, 3, 4]", (640, 480)), [case["content"]])
    assert found.components["format"] == case["format_reward_rec"]


@pytest.mark.parametrize("case", [case for case in DRAWN if not case["error"]], ids=lambda case: case["name"])
def test_simpleseg_answers_are_drawn(case: dict[str, Any]) -> None:
    """Its decoder's polygon scores 1 against itself, and what it cannot read 0; its rasteriser is COCO's, not ours."""
    size = (case["w"], case["h"])
    decoded = load("formats", "simpleseg-compat")().decode(case["response"], size)
    rings = [[list(ring) for ring in item.rings] for item in decoded.objects if item.rings]
    assert len(rings) == bool(case["polygons"])
    truth = {"objects": [{"rings": rings[0]}]} if rings else {"objects": [{"rings": [[1, 1, 9, 1, 9, 9]]}]}
    question = Question("simpleseg", json.dumps(truth), size, '{"format": "simpleseg-compat"}')
    (found,) = score(question, [case["response"]])
    assert found.score == (1.0 if rings else 0.0)
