from __future__ import annotations

import json
from typing import Any

import pytest

from pe.verifiers import Question, score

SIZE = (1000, 1000)
PAIR = {"objects": [{"phrase": "cat", "bbox": [0, 0, 100, 100]}, {"phrase": "dog", "bbox": [500, 500, 700, 700]}]}


def found(task: str, response: str, truth: Any = PAIR, input_size: tuple[int, int] | None = None) -> Any:
    question = Question("perception-r1", json.dumps(truth), SIZE, json.dumps({"task": task}), "{}", input_size)
    return score(question, [response])[0]


def detection(*rows: tuple[list[int], str]) -> str:
    return json.dumps([{"bbox_2d": box, "label": label} for box, label in rows])


CAT, DOG = ([0, 0, 100, 100], "cat"), ([500, 500, 700, 700], "dog")


def test_detection_adds_the_class_the_count_and_what_is_missing() -> None:
    def value(*rows: tuple[list[int], str]) -> float:
        return float(found("detection", detection(*rows), input_size=SIZE).score)

    assert value(DOG, CAT) == 1.0
    assert value(CAT) == pytest.approx((1 / 2 + 2 / 3) / 2 * 0.75)
    assert value(CAT, DOG, ([800, 0, 900, 90], "cat")) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert value(CAT, ([500, 500, 700, 700], "cat")) == pytest.approx((1.5 / 2 + 1) / 2)
    assert value(CAT, ([500, 500, 700, 600], "dog")) == pytest.approx(((1 + 0.75) / 2 + 1) / 2)


def test_sequential_matching_compares_in_the_order_of_the_answer() -> None:
    def value(*rows: tuple[list[int], str]) -> float:
        parameters = json.dumps({"task": "detection", "matching": "sequential"})
        question = Question("perception-r1", json.dumps(PAIR), SIZE, parameters, "{}", SIZE)
        return float(score(question, [detection(*rows)])[0].score)

    assert value(CAT, DOG) == 1.0
    assert value(DOG, CAT) == 0.0
    assert value(CAT) == pytest.approx((1 / 2 + 2 / 3) / 2 * 0.75)
    assert value(CAT, CAT, DOG) == pytest.approx((1 / 3 + 2 / 5) / 2 * 0.75)


def test_counting_is_by_distance_and_ocr_by_edits() -> None:
    cups = {"objects": [{"phrase": "cup", "bbox": [0, 0, 100, 100]}]}
    there = found("counting", "<|box_start|>(50,50)<|box_end|>", cups)
    off = found("counting", "<|box_start|>(350,450)<|box_end|>", cups)
    assert there.score == 1.0
    assert off.score == pytest.approx(1 - 0.5 / 2**0.5)
    assert found("ocr", "hello  worle", {"text": "hello world"}).score == pytest.approx(10 / 11)
    assert found("ocr", "", {"text": "hello world"}).score == 0.0


def test_the_format_is_signed() -> None:
    assert found("grounding", "somewhere on the left").components["format"] == -1.0
    assert found("grounding", "<|box_start|>(0,0),(100,100)<|box_end|>").components["format"] == 1.0


def compat(response: str, truth: str = "[100, 100, 300, 300]", **parameters: Any) -> Any:
    given = json.dumps({"also": {"perception-r1-format-compat": parameters}})
    return score(Question("perception-r1-compat", truth, (640, 480), given), [response])[0]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("[0.1, 0.1, 0.3, 0.3]", 1.0),
        ("[0.1009, 0.1, 0.3, 0.3]", 1.0),  # 100.9 is cut to 100
        ("(9, 9, 9, 9) then [0.1, 0.1, 0.3, 0.3]", 1.0),  # square brackets first, wherever
        ("<|box_start|>[100, 100, 300, 300]", 1.0),
        ("[0.1 , 0.1, 0.3, 0.3]", 0.0),  # no space before a comma
        ("[.1, .1, .3, .3]", 0.0),
        ("<|box_start|>(100,100),(300,200)<|box_end|>(100,100),(300,300)", 0.25),
        ("<|box_start|>(100,100),<|endoftext|>(300,300)", 1.0),
        ("<|box_start|>(300,100),(100,300)", 0.0),  # the union is 0 by the answer's own corners
        (f"[0.1, 0.1, 0.3, {'9' * 400}]", 0.0),
        (f"[{'1, ' * 4000}]", 0.0),
    ],
)
def test_compat_reads_the_first_box_of_three_patterns(response: str, expected: float) -> None:
    assert compat(response).components["accuracy"] == pytest.approx(expected, abs=1e-12)


def test_compat_truth_may_be_an_object_and_one_without_area_is_missing() -> None:
    truth = '{"objects": [{"bbox": [64, 48, 192, 144]}]}'
    assert compat("[0.1, 0.1, 0.3, 0.3]", truth).components["accuracy"] == pytest.approx(1.0)
    missing = compat("nothing", "[0, 0, 0, 0]")
    assert (missing.score, missing.components["format"]) == (None, 0.0)


@pytest.mark.parametrize(
    ("response", "released", "escaped"),
    [
        ("<", 1, 0),
        ("> a", 1, 0),
        ("im_end", 1, 0),
        ("object_ref", 0, 0),
        (" <", 0, 0),
        ("<|object_ref_start|>a<|object_ref_end|><|box_start|>anything<|box_end|><|im_end|>!", 1, 1),
        ("<|object_ref_start|>a<|object_ref_end|> <|box_start|>b<|box_end|><|im_end|>", 1, 0),
        ("<|object_ref_start|>a\n<|object_ref_end|><|box_start|>b<|box_end|><|im_end|>", 1, 0),
        ("<|object_ref_start|>a<|object_ref_end|><|box_start|>b<|box_end|>", 1, 0),
    ],
)
def test_compat_format(response: str, released: int, escaped: int) -> None:
    assert compat(response).components["format"] == released
    assert compat(response, escaped=True).components["format"] == escaped
