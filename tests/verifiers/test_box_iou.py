from __future__ import annotations

import json
from typing import Any

import pytest

from pe.errors import InputError
from pe.verifiers import Question, check, score

CAT = {"objects": [{"phrase": "cat", "bbox": [100, 100, 300, 300]}]}


def accuracy(name: str, response: str, truth: Any = CAT, **parameters: Any) -> float:
    given = json.dumps({"format": "qwen3-vl", "also": {}, **parameters})
    (found,) = score(Question(name, json.dumps(truth), (1000, 1000), given), [response])
    assert found.score is not None
    return found.score


def boxes(*corners: list[float], label: str = "cat") -> str:
    return json.dumps([{"bbox_2d": box, "label": label} for box in corners])


def test_power_is_the_square() -> None:
    half = boxes([100, 100, 200, 300])
    assert accuracy("box-iou", half) == 0.5
    assert accuracy("box-iou", half, power=2) == 0.25
    assert accuracy("box-iou", boxes([300, 300, 400, 400])) == 0.0


def test_the_best_of_several_boxes_counts_and_the_others_cost() -> None:
    assert accuracy("box-iou", boxes([0, 0, 50, 50], [100, 100, 300, 300])) == pytest.approx(2 / 3)


def test_the_phrase_counts_unless_told_otherwise() -> None:
    other = boxes([100, 100, 300, 300], label="a cat on a mat")
    assert accuracy("box-iou", other) == 0.0
    assert accuracy("box-iou", other, labels=False) == 1.0
    assert accuracy("box-iou", boxes([100, 100, 300, 300], label=" CAT ")) == 1.0
    assert accuracy("box-iou", "[100, 100, 300, 300]") == 1.0


def test_giou_tells_far_from_near() -> None:
    beside, far = boxes([300, 100, 500, 300]), boxes([800, 100, 1000, 300])
    assert accuracy("box-giou", beside) == 0.5
    assert 0.0 < accuracy("box-giou", far) < accuracy("box-giou", beside)
    # IoU 0.25, hull 400 x 200 of which 80000 - ... is all covered: 0.25 + 0, rescaled
    assert accuracy("box-giou", boxes([100, 100, 200, 200])) == pytest.approx((1 + 0.25) / 2)


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ({"objects": [CAT["objects"][0]] * 2}, "2 objects"),
        ({"objects": [{"phrase": "cat", "bbox": [5, 5, 5, 9]}]}, "area"),
        ({"objects": [{"phrase": "cat", "point": [5, 5]}]}, "area"),
    ],
)
@pytest.mark.parametrize("name", ["box-iou", "box-giou", "vlm-r1-rec", "gui"])
def test_a_truth_of_no_use_is_an_error(name: str, truth: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason if name != "gui" else r"elements|area"):
        check(Question(name, json.dumps(truth), (640, 480)))


def test_vlm_r1_reads_its_own_form_and_rescales() -> None:
    truth = json.dumps({"objects": [{"phrase": "cat", "bbox": [100, 100, 300, 300]}]})
    response = '<think>t</think><answer>```json\n[{"bbox_2d": [50, 50, 150, 150], "label": "cat"}]\n```</answer>'
    (found,) = score(Question("vlm-r1-rec", truth, (1000, 1000), input_size=(500, 500)), [response])
    assert found.score == 1.0


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<answer>[0, 0, 10, 10]</answer>", 1.0),
        ("<answer>[0, 0, 10, 10][90, 90, 95, 95]</answer>", 1.0),
        ("<answer>[90, 90, 95, 95]</answer><answer>[0, 0, 10, 10]</answer>", 0.0),
        ("<answer></answer>[0, 0, 10, 10]", 0.0),
        ("[0, 0, 10, 10]", 0.0),
        ("<answer>[0.0, 0, 10, 10]</answer>", 0.0),
        ("</answer><answer>x [0,\n0, 10, 10]</answer>", 1.0),
        ("<answer>[0, 0, 10, 10]", 0.0),
        (f"<answer>[0, 0, 10, {'9' * 5000}]</answer>", 0.0),
    ],
)
def test_vlm_r1_compat_takes_the_first_box_of_the_first_answer(response: str, expected: float) -> None:
    for truth in ("<answer>[9]</answer> <answer> [0, 0, 10, 10] </answer>", '[{"bbox": [0, 0, 10, 10]}]'):
        (found,) = score(Question("vlm-r1-rec-compat", truth, (100, 100)), [response])
        assert found.components["accuracy"] == expected


def test_vlm_r1_compat_divides_by_nothing_and_gets_nothing() -> None:
    (found,) = score(Question("vlm-r1-rec-compat", "[0, 0, 0, 0]", (100, 100)), ["<answer>[5, 5, 5, 5]</answer>"])
    assert found.score == 0.0
    with pytest.raises(InputError, match="four numbers"):
        check(Question("vlm-r1-rec-compat", "[1, 2, 3]", (100, 100)))
