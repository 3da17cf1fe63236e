from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from pe.errors import InputError
from pe.formats import Decoded, Item
from pe.geometry.masks import encode
from pe.registry import load
from pe.verifiers import Call, Question, Truth, check, score

SIZE = (640, 480)


def judge(name: str, truth: dict[str, Any], items: list[Item], **parameters: Any) -> float:
    kind = load("verifiers", name)
    verifier = kind(kind.Parameters.model_validate(parameters))
    call = Call("", SIZE)
    prepared = verifier.prepare(Truth.model_validate(truth), call)
    return float(verifier.judge(Decoded(tuple(items)), prepared, call)["accuracy"])


def dots(*places: tuple[float, float], phrase: str = "cup") -> list[Item]:
    return [Item(phrase, point=place) for place in places]


def cups(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"objects": [{"phrase": "cup", **shape} for shape in shapes]}


NESTED = cups({"bbox": (0, 0, 100, 100)}, {"bbox": (20, 20, 40, 40)})


def test_nested_boxes_lose_no_pair_whatever_the_order() -> None:
    assert judge("point-in-box", NESTED, dots((30, 30), (80, 80))) == 1.0
    assert judge("point-in-box", NESTED, dots((80, 80), (30, 30))) == 1.0
    assert judge("point-in-box", NESTED, dots((80, 80), (81, 81))) == 0.5
    assert judge("point-in-box", NESTED, dots((100, 100), (40, 20))) == 1.0
    assert judge("point-in-box", NESTED, dots((100.01, 100), (40, 20))) == 0.5


def test_a_hole_is_not_in_the_mask_and_the_border_is() -> None:
    outer, inner = (0, 0, 640, 0, 640, 480, 0, 480), (100, 100, 200, 100, 200, 200, 100, 200)
    frame = cups({"rings": (outer, inner)})
    assert judge("point-in-mask", frame, dots((640, 480))) == 1.0
    assert judge("point-in-mask", frame, dots((150, 150))) == 0.0
    assert judge("point-in-mask", frame, dots((640.5, 480))) == 0.0


def test_the_truth_of_a_mask_is_its_runs_first() -> None:
    ring = (0, 0, 9, 0, 9, 9, 0, 9)
    low = np.zeros((480, 640), bool)
    low[400:] = True
    runs = encode(low).model_dump(mode="json")
    assert judge("point-in-mask", cups({"mask": runs, "rings": (ring,)}), dots((5, 450))) == 1.0
    for mask, reason in (({**runs, "counts": "~"}, "not COCO"), ({**runs, "size": [640, 480]}, "height, width")):
        with pytest.raises(InputError, match=reason):
            check(Question("point-in-mask", json.dumps(cups({"mask": mask})), SIZE))
    with pytest.raises(InputError, match="neither a mask nor rings"):
        check(Question("point-in-mask", json.dumps(cups({"bbox": [0, 0, 5, 5]})), SIZE))
    with pytest.raises(InputError, match="without a pixel"):
        check(Question("segmentation", json.dumps(cups({"rings": [[1, 1, 1.1, 1, 1.1, 1.1]]})), SIZE))


def test_distance_is_gaussian_in_the_diagonal() -> None:
    there = cups({"bbox": (300, 220, 340, 260)})
    assert judge("point-distance", there, dots((320, 260))) == pytest.approx(math.exp(-0.5))
    assert judge("point-distance", there, dots((320, 260)), sigma=0.05) == pytest.approx(math.exp(-0.125))
    assert judge("point-distance", cups({"bbox": (0, 0, 9, 9), "point": (320, 240)}), dots((320, 240))) == 1.0


def test_a_truth_without_a_phrase_takes_any() -> None:
    nameless = {"objects": [{"point": (10, 10)}, {"phrase": "cup", "point": (50, 50)}]}
    assert judge("point-distance", nameless, [*dots((10, 10), phrase="what"), *dots((50, 50))]) == 1.0
    assert judge("point-distance", nameless, [*dots((10, 10)), *dots((50, 50), phrase="what")]) == 0.5


def test_pointrl_terms() -> None:
    ring = (100, 100, 200, 100, 200, 200, 100, 200)
    mask, box, place = cups({"rings": (ring,)}), cups({"bbox": (100, 100, 200, 200)}), cups({"point": (150, 150)})
    for truth, cap in ((mask, 0.70), (box, 0.55), (place, 0.35)):
        assert judge("pointrl", truth, dots((150, 150))) == 1.0
        least = 1e-6 + (99.5 if truth is mask else 100 if truth is box else 150)
        near = judge("pointrl", truth, dots((least - 0.01, 150)))
        assert near == pytest.approx(cap, abs=0.01)
    # one of two: S_pred 1, S_cov 0.5, S_cnt exp(-1.5)
    assert judge("pointrl", NESTED, dots((30, 30))) == pytest.approx(0.25 + 0.125 + 0.25 * math.exp(-1.5))
    # three for two, the third far from both
    three = judge("pointrl", NESTED, dots((30, 30), (80, 80), (600, 400)))
    assert three == pytest.approx(0.25 * 2 / 3 + 0.25 + 0.5 * math.exp(-0.6))
    assert judge("pointrl", NESTED, dots((30, 30), (80, 80), (83, 80))) == pytest.approx(
        0.25 * 2 / 3 + 0.25 + 0.5 * math.exp(-0.6) * 2 / 3
    )
    assert judge("pointrl", mask, [Item("cup", bbox=(100, 100, 200, 200))]) == 0.0


def test_pointrl_does_not_charge_truths_that_are_close() -> None:
    close = cups({"point": (100, 100)}, {"point": (102, 100)})
    assert judge("pointrl", close, dots((102, 100), (100, 100))) == 1.0


@pytest.mark.parametrize(
    ("answered", "there", "expected"), [(5, 5, 1.0), (4, 5, 0.8), (6, 5, 5 / 6), (0, 5, 0.0), (1, 0, 0.0), (0, 0, 1.0)]
)
def test_counts(answered: int, there: int, expected: float) -> None:
    items = dots(*[(10.0 * i, 10.0) for i in range(answered)])
    assert judge("count", {"count": there}, items) == pytest.approx(expected)
    truth = cups(*[{"bbox": (10 * i, 0, 10 * i + 5, 20)} for i in range(there)])
    assert judge("count", truth, items) == pytest.approx(expected)
    question = Question("count", str(there), SIZE, '{"by": "text", "format": "text"}')
    (found,) = score(question, [f"There are {answered}."])
    assert found.score == pytest.approx(expected)


def test_counts_are_by_phrase() -> None:
    truth = {"objects": [{"phrase": "cup"}, {"phrase": "cup"}, {"phrase": "hat"}]}
    assert judge("count", truth, [*dots((1, 1), (2, 2)), *dots((3, 3), phrase="hat")]) == 1.0
    assert judge("count", truth, dots((1, 1), (2, 2), (3, 3))) == 0.5
    assert judge("count", truth, [*dots((1, 1), (2, 2)), *dots((3, 3), phrase="dog")]) == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Seven cups", 7 / 12),
        ("2 on the table and 10 below: 12", 1.0),
        ("12 in all, not one more", 1.0),
        ("About 12.5", 0.0),
        ("1,200", 0.0),
        ("a12", 0.0),
        ("someone", 0.0),
        ("", 0.0),
        ("9" * 5000, 0.0),
    ],
)
def test_the_last_number_counts(text: str, expected: float) -> None:
    (found,) = score(Question("count", '{"count": 12}', SIZE, '{"by": "text", "format": "text"}'), [text])
    assert found.components["accuracy"] == pytest.approx(expected)


def test_a_count_of_no_use_is_an_error() -> None:
    for truth in ('{"count": -1}', '{"count": 3, "objects": [{"phrase": "cup"}]}', "no number"):
        with pytest.raises(InputError):
            check(Question("count", truth, SIZE))


def test_a_click_is_one() -> None:
    send = {"objects": [{"phrase": "Send", "bbox": (600, 400, 640, 480)}]}
    inside = Item("Send", point=(620, 440))
    assert judge("gui", send, [inside]) == judge("gui", send, [Item("send", bbox=(590, 390, 650, 480))]) == 1.0
    assert judge("gui", send, [inside, inside]) == judge("gui", send, [Item("Back", point=(620, 440))]) == 0.0
    assert judge("gui", send, [Item("Back", point=(620, 440))], labels=False) == 1.0
    assert judge("gui", {"negatives": ["Send"]}, []) == 1.0
