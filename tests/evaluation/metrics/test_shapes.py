"""Metrics of masks, points, clicks, key points and texts by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pe import registry
from pe.formats import Item
from tests.evaluation.cases import case, figures, item, truth


def ring(x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
    return (x0, y0, x1, y0, x1, y1, x0, y1)


def region(*box: float, phrase: str = "cat") -> dict[str, Any]:
    return {"phrase": phrase, "rings": [list(ring(*box))]}


def outline(*box: float, phrase: str = "cat") -> Item:
    return Item(phrase, rings=(ring(*box),))


def test_giou_and_ciou_are_of_unions() -> None:
    cases = [
        case([region(0, 0, 10, 10), region(20, 0, 30, 10)], [outline(0, 0, 10, 10)], kind="masks"),
        case([region(0, 0, 40, 40)], [outline(0, 0, 40, 20), outline(0, 10, 40, 30)], kind="masks"),
        case([], [], negatives=["cat"], kind="masks"),
        case([], [outline(0, 0, 10, 10)], negatives=["cat"], kind="masks"),
        case([], [], negatives=["cat"], kind="masks", status="unparsable"),
    ]
    values = figures("region-iou-union", *cases)
    assert values["gIoU"] == pytest.approx((0.5 + 0.75 + 1 + 0 + 0) / 5)
    assert values["cIoU"] == pytest.approx((100 + 1200) / (200 + 1600 + 100))


def test_each_phrase_is_a_region() -> None:
    both = case(
        [region(0, 0, 10, 10), region(20, 0, 30, 10, phrase="dog")],
        [outline(0, 0, 10, 10), outline(0, 0, 10, 10, phrase="dog")],
        kind="masks",
    )
    assert figures("region-iou-union", both)["gIoU"] == 0.5


def test_mask_f1_and_borders() -> None:
    tested = case(
        [region(10, 10, 50, 50), region(60, 60, 90, 90)],
        [outline(10, 10, 50, 50), outline(60, 60, 90, 70)],
        kind="masks",
    )
    values = figures("mask-f1-one-to-one", tested)
    assert (values["F1@.50"], values["F1@.95"]) == (0.5, 0.5)
    values = figures("boundary-f-hungarian", tested)
    assert values["boundary F of pairs"] == 1.0
    assert values["boundary F1"] == 0.5
    assert values["mask IoU of pairs"] == 1.0
    assert figures("boundary-f-hungarian", case([region(0, 0, 9, 9)], [], kind="masks"))["mask IoU of pairs"] is None


def test_a_scribble_is_no_mask() -> None:
    """An outline that crosses more rows than any drawing does covers nothing, in bounded time."""
    scribble = tuple(float(value) for step in range(20_000) for value in (step % 100, 100 * (step % 2)))
    tested = case([region(0, 0, 100, 100)], [Item("cat", rings=(scribble,))], kind="masks")
    assert figures("region-iou-union", tested)["gIoU"] == 0.0
    assert figures("coco-ap-mask", tested)["AP"] == 0.0


def test_the_box_of_an_outline_is_referred_to() -> None:
    tested = case([region(10, 10, 50, 50)], [outline(10, 10, 50, 46)], kind="masks", ability="segmentation")
    values = figures("rec-accuracy", tested)
    assert (values["Acc@.75"], values["Acc@.95"], values["centre"]) == (1.0, 0.0, 1.0)


def test_points_in_masks_or_in_boxes() -> None:
    points = [Item("cat", point=(5, 5)), Item("cat", point=(6, 6)), Item("dog", point=(25, 5))]
    masks = case([region(0, 0, 10, 10), region(20, 0, 30, 10)], points, kind="points")
    assert figures("point-in-mask-f1-one-to-one", masks) == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 2, "F1": 2 / 5}
    )
    boxes = case([truth((0, 0, 10, 10)), truth((20, 0, 30, 10), "dog")], points, kind="points")
    assert figures("point-in-box-f1-one-to-one", boxes)["recall"] == 1.0
    in_mask, in_box = (registry.load("metrics", f"point-in-{kind}-f1-one-to-one")() for kind in ("mask", "box"))
    assert (in_mask.applies(masks), in_box.applies(masks)) == (True, False)
    assert (in_mask.applies(boxes), in_box.applies(boxes)) == (False, True)
    absent = case([], points, kind="points", negatives=["cat"])  # only the verifier tells
    assert (in_mask.applies(absent), in_box.applies(absent)) == (True, False)
    assert figures("point-in-mask-f1-one-to-one", absent) == {"precision": 0.0, "recall": None, "F1": 0.0}


def test_one_click() -> None:
    element = truth((0, 0, 10, 10), "button")
    cases = [
        case([element], [Item("button", point=(10, 10))], kind="click"),
        case([element], [item((2, 2, 6, 6), "button")], kind="click"),
        case([element], [Item("button", point=(5, 5)), Item("button", point=(50, 50))], kind="click"),
        case([element], [], kind="click"),
    ]
    assert figures("click-accuracy", *cases)["accuracy"] == 0.5
    assert figures("rexomni-click-compat", *cases)["accuracy"] == 0.75


def person(points: dict[str, Any], phrase: str = "person") -> dict[str, Any]:
    return {"phrase": phrase, "bbox": [0, 0, 100, 100], "keypoints": points}


def test_key_points() -> None:
    answer = [Item("person", bbox=(0, 0, 100, 100), keypoints={"nose": (50, 50)})]
    one = case([person({"nose": [50, 50], "left eye": [40, 40]})], answer, kind="keypoints")
    assert figures("oks-hungarian", one) == pytest.approx({"OKS": 0.5, "F1@.50": 1.0, "F1@.75": 0.0})
    assert figures("rexomni-oks-compat", one)["OKS"] == 1.0
    unseen = case([person({"nose": None})], answer, kind="keypoints")
    assert figures("oks-hungarian", unseen) == {"OKS": None, "F1@.50": None, "F1@.75": None}
    lone = case([person({"nose": [50, 50]})], [*answer, *answer], kind="keypoints")
    assert figures("oks-hungarian", lone)["F1@.50"] == pytest.approx(2 / 3)


def test_texts_in_their_places() -> None:
    truths = [truth((0, 0, 50, 10), "HELLO") | {"text": "HELLO"}, truth((0, 20, 50, 30), "World") | {"text": "World"}]
    answers = [item((0, 0, 50, 10), "HELL0"), item((0, 20, 50, 30), "World"), item((0, 60, 50, 70), "x")]
    values = figures("ocr-region-one-to-one", case(truths, answers, kind="texts"))
    assert values["precision"] == pytest.approx(1 / 3)
    assert values["recall"] == 0.5
    assert values["F1"] == pytest.approx(2 / 5)
    assert values["region F1"] == pytest.approx(4 / 5)
    assert values["read"] == pytest.approx((0.8 + 1) / 2)
    quads = case(
        [{"phrase": "A", "text": "A", "rings": [list(ring(0, 0, 20, 10))]}],
        [Item("A", rings=(ring(0, 0, 20, 10),))],
        kind="texts",
        params='{"region": "quad"}',
    )
    assert figures("ocr-region-one-to-one", quads)["F1"] == 1.0
    assert figures("ocr-region-one-to-one", case(truths, [], kind="texts"))["F1"] == 0.0


def test_a_whole_text() -> None:
    said = ("one two  three", "one to three", "")
    tested = [case(kind="transcript", text=text, whole="one two three") for text in said]
    values = figures("ocr-text-edit-distance", *tested)
    assert values["exact"] == pytest.approx(1 / 3)
    assert values["CER"] == pytest.approx((0 + 1 + 13) / 39)
    assert values["WER"] == pytest.approx((0 + 1 + 3) / 9)
    assert values["similarity"] == pytest.approx((1 + 12 / 13 + 0) / 3)
    assert values["word F1"] == pytest.approx(2 * 5 / (6 + 9))
    metric = registry.load("metrics", "ocr-text-edit-distance")()
    assert not metric.applies(case(kind="transcript", text="anything"))  # nothing is known to be written there


def test_a_text_without_end_costs_no_time() -> None:
    tested = case(kind="transcript", text="a" * 2_000_000, whole="short")
    values = figures("ocr-text-edit-distance", tested)
    assert values["similarity"] == 0.0
    assert values["CER"] == pytest.approx((2_000_000 - 0) / 5, rel=1e-3)
