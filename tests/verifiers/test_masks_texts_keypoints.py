from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.errors import InputError
from pe.formats import Decoded, Item
from pe.geometry.masks import encode, mask_iou
from pe.geometry.raster import rings_to_mask
from pe.registry import load
from pe.verifiers import Call, Question, Truth, check, score


def judge(
    name: str, truth: Any, items: list[Item], size: tuple[int, int] = (100, 100), text: str = "", **parameters: Any
) -> float:
    kind = load("verifiers", name)
    verifier = kind(kind.Parameters.model_validate(parameters))
    call = Call("", size)
    prepared = verifier.prepare(Truth.model_validate(truth), call)
    return float(verifier.judge(Decoded(tuple(items), text=text), prepared, call)["accuracy"])


def box(x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
    return x0, y0, x1, y0, x1, y1, x0, y1


def drawn(*rings: tuple[float, ...], phrase: str = "cat") -> Item:
    return Item(phrase, rings=rings)


CAT = {"objects": [{"phrase": "cat", "rings": [box(0, 0, 40, 40)]}]}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_iou_is_that_of_the_rasters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (tuple(map(float, rng.uniform(-10, 70, 2 * rng.integers(3, 9)))) for _ in range(2))
    masks = [rings_to_mask([ring], 50, 60) for ring in (first, second)]
    if not masks[1].any():
        return
    runs = {"objects": [{"phrase": "cat", "mask": encode(masks[1]).model_dump()}]}
    for truth in (runs, {"objects": [{"phrase": "cat", "rings": [second]}]}):
        for name in ("segmentation", "polygon-iou"):
            got = judge(name, truth, [drawn(first)], (60, 50))
            assert got == pytest.approx(mask_iou(*masks) if masks[0].any() else 0.0)


def test_a_mask_with_a_hole_in_parts() -> None:
    frame = {"objects": [{"phrase": "cat", "rings": [box(0, 0, 40, 40), box(10, 10, 30, 30)]}]}
    assert judge("segmentation", frame, [drawn(box(0, 0, 40, 40), box(10, 10, 30, 30))]) == 1.0
    assert judge("segmentation", frame, [drawn(box(0, 0, 40, 40))]) == 0.75


def test_parts_may_be_objects_of_one_mask_and_drawing_twice_costs() -> None:
    left, right = box(0, 0, 20, 40), box(20, 0, 40, 40)
    assert judge("polygon-iou", CAT, [drawn(left), drawn(right)]) == 1.0
    assert judge("polygon-iou", {"objects": [{"rings": [left]}, {"rings": [right]}]}, [drawn(left, right)]) == 1.0
    assert judge("polygon-iou", CAT, [drawn(left), drawn(right), drawn(left)]) == pytest.approx(1600 / 2400)
    assert judge("polygon-iou", CAT, [drawn(box(0, 0, 40, 40)), drawn(box(200, 0, 240, 40))]) == 1600 / 1601
    assert judge("polygon-iou", CAT, [drawn(box(0, 0, 40, 40)), Item("cat", point=(9, 9))]) == 0.5
    truth = {"objects": [{"phrase": name, "rings": [left]} for name in ("cat", "dog")]}
    with pytest.raises(InputError, match="several things"):
        check(Question("polygon-iou", json.dumps(truth), (100, 100)))


def test_the_centroid_counts_as_its_weight_says() -> None:
    half = drawn(box(0, 0, 20, 40))
    away = 1 - 10**2 / (40**2 + 40**2)
    assert judge("simpleseg", CAT, [half]) == pytest.approx((0.5 + 0.5 * away) / 1.5)
    assert judge("simpleseg", CAT, [half], centroid=0) == 0.5
    assert judge("segmentation", CAT, [half], centroid=2) == pytest.approx((0.5 + 2 * away) / 3)
    assert judge("simpleseg", CAT, [drawn(box(50, 50, 60, 60))]) == 0.0


def test_a_border_may_be_a_little_off() -> None:
    truth = {"objects": [{"phrase": "cat", "rings": [box(100, 100, 300, 300)]}]}
    size = (640, 480)
    off = [judge("boundary", truth, [drawn(box(100, 100, 300, y))], size) for y in (307, 308, 400, 101)]
    assert off[0] == 1.0  # ceil(0.008 * 800) = 7 px
    assert 0.5 < off[2] < off[1] < 1.0
    assert off[3] == 0.0  # below the IoU that makes a pair
    assert judge("segmentation", truth, [drawn(box(100, 100, 300, 307))], size, boundary=1) == pytest.approx(
        (200 / 207 + 1) / 2
    )


def test_a_large_picture_is_looked_at_in_samples() -> None:
    truth = {"objects": [{"phrase": "cat", "rings": [box(500, 500, 9000, 9000)]}]}
    assert judge("boundary", truth, [drawn(box(500, 500, 9000, 9000))], (10_000, 10_000)) == 1.0
    assert judge("boundary", truth, [drawn(box(560, 560, 9060, 9060))], (10_000, 10_000)) == 1.0
    assert judge("boundary", truth, [drawn(box(800, 800, 9000, 9000))], (10_000, 10_000)) < 0.6


def test_a_scribble_is_not_drawn() -> None:
    zigzag = tuple(value for index in range(2000) for value in (index / 20, 100.0 * (index % 2)))
    for name in ("segmentation", "polygon-iou", "simpleseg", "boundary"):
        assert judge(name, CAT, [drawn(zigzag), drawn(box(0, 0, 40, 40))]) == 0.0
    assert judge("ocr", {"objects": [{"text": "a", "bbox": (0, 0, 9, 9)}]}, [drawn(zigzag)], region="quad") == 0.0


SIGN = {"objects": [{"phrase": "word", "text": "EXIT 24", "bbox": (0, 0, 80, 40)}]}


def test_text_and_place_both_count() -> None:
    assert judge("ocr", SIGN, [Item("EXIT  24", bbox=(0, 0, 80, 40))]) == 1.0
    assert judge("ocr", SIGN, [Item("exit 24", bbox=(0, 0, 80, 40))]) == pytest.approx(3 / 7)
    assert judge("ocr", SIGN, [Item("EXIT 24", bbox=(0, 0, 40, 40))]) == 0.5
    assert judge("ocr", SIGN, [Item("EXIT 2", bbox=(0, 0, 40, 40))]) == pytest.approx(0.5 * 6 / 7)
    assert judge("ocr", SIGN, [drawn(box(0, 0, 80, 40), phrase="EXIT 24")]) == 1.0
    assert judge("ocr", SIGN, [Item("EXIT 24", point=(40, 20))]) == 0.0


def test_quads_are_drawn() -> None:
    slanted = (10.0, 0.0, 50.0, 0.0, 40.0, 40.0, 0.0, 40.0)
    truth = {"objects": [{"text": "STOP", "rings": [slanted]}]}
    assert judge("ocr", truth, [drawn(slanted, phrase="STOP")], region="quad") == 1.0
    hull = judge("ocr", truth, [Item("STOP", bbox=(0, 0, 50, 40))], region="quad")
    assert hull == pytest.approx(0.8)
    assert judge("ocr", truth, [Item("STOP", bbox=(0, 0, 50, 40))], region="box") == 1.0


def test_a_text_alone() -> None:
    for truth in ({"text": "one two"}, {"objects": [{"text": "one"}, {"text": "two"}]}):
        assert judge("ocr", truth, [], text="one\ntwo", region="none") == 1.0
        assert judge("ocr", truth, [], text="one tw", region="none") == pytest.approx(6 / 7)
        assert judge("ocr", truth, [], text="", region="none") == 0.0
        long = judge("ocr", truth, [], text="one two" + "x" * 60_000, region="none")
        assert 0.0 <= long < 0.001
    assert judge("ocr", {}, [], text="", region="none") == 1.0
    assert judge("ocr", {}, [], text="what", region="none") == 0.0
    (found,) = score(Question("ocr", "one two", (9, 9), '{"region": "none", "format": "text"}'), ["one two"])
    assert found.score == 1.0
    (found,) = score(Question("ocr", "{}", (9, 9), '{"region": "none", "format": "text"}'), [""])
    assert found.score == 0.0  # an empty response cannot be read


@pytest.mark.parametrize("thing", [{"bbox": [0, 0, 9, 9]}, {"text": "a"}, {"text": "a", "bbox": [5, 5, 5, 9]}])
def test_texts_of_no_use_are_errors(thing: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"no text|area"):
        check(Question("ocr", json.dumps({"objects": [thing]}), (20, 20)))


BODY = {"nose": (50.0, 20.0), "left_eye": (60.0, 15.0), "tail": (10.0, 90.0), "right_eye": None}
PERSON = {"objects": [{"phrase": "person", "bbox": (0, 0, 100, 100), "keypoints": BODY}]}


def person(**points: Any) -> Item:
    return Item("person", bbox=(0, 0, 100, 100), keypoints={name.replace("_", " "): at for name, at in points.items()})


def test_oks_uses_cocos_sigmas() -> None:
    assert judge("keypoints", PERSON, [person(**BODY)]) == 1.0
    for name, sigma in (("nose", 0.026), ("left_eye", 0.025), ("tail", 0.025)):
        x, y = BODY[name] or (0.0, 0.0)
        off = judge("keypoints", PERSON, [person(**{**BODY, name: (x + 3, y + 4)})])
        assert off == pytest.approx((2 + math.exp(-25 / (2 * 10_000 * (2 * sigma) ** 2))) / 3)


def test_missing_and_invented_points_cost() -> None:
    assert judge("keypoints", PERSON, [person(nose=(50, 20), tail=None)]) == pytest.approx(1 / 3)
    assert judge("keypoints", PERSON, [person(**{**BODY, "right_eye": (40, 15)})]) == 0.75
    assert judge("keypoints", PERSON, [person(**BODY, left_paw=(1, 1), other_paw=None)]) == 0.75
    assert judge("keypoints", PERSON, [Item("person", bbox=(0, 0, 100, 100))]) == 0.0


def test_an_instance_without_a_point_is_its_box() -> None:
    unseen = {"objects": [{"phrase": "person", "bbox": (0, 0, 100, 100), "keypoints": {"nose": None}}]}
    assert judge("keypoints", unseen, [person(nose=None)]) == 1.0
    assert judge("keypoints", unseen, [Item("person", bbox=(0, 0, 50, 100), keypoints={})]) == 0.5
    assert judge("keypoints", unseen, [person(nose=(5, 5))]) == 0.0
    with pytest.raises(InputError, match="keypoints"):
        check(Question("keypoints", json.dumps(CAT), (100, 100)))
