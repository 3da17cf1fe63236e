"""Average precision of one image: pycocotools' own value, and the holes that the plain name closes."""

from __future__ import annotations

import contextlib
import io
import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pe.formats import Decoded, Item
from pe.registry import load
from pe.verifiers import Call, Question, Target, Truth, score

Things = list[Item]


def by_pycocotools(things: Things, answer: Things, thresholds: list[float]) -> float:
    """COCOeval's mean precision for one image, of answers whose phrase some thing has."""
    known = list(dict.fromkeys(thing.phrase for thing in things))

    def row(item: Item) -> dict[str, object]:
        x0, y0, x1, y1 = item.bbox or (0, 0, 0, 0)
        box = [x0, y0, x1 - x0, y1 - y0]
        return {"image_id": 1, "category_id": known.index(item.phrase), "bbox": box, "area": box[2] * box[3]}

    found = [{**row(item), "score": 1.0 if item.score is None else item.score} for item in answer]
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": number} for number in range(len(known))],
            "annotations": [{**row(thing), "id": n, "iscrowd": 0} for n, thing in enumerate(things, 1)],
        }
        gold.createIndex()
        evaluation = COCOeval(gold, gold.loadRes(found), "bbox")
        evaluation.params.iouThrs = np.array(thresholds)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return float(precision[precision > -1].mean())


def ours(name: str, things: Things, answer: Things, thresholds: list[float] | None = None) -> float:
    kind = load("verifiers", name)
    verifier = kind(kind.Parameters.model_validate({"thresholds": thresholds} if thresholds else {}))
    call = Call("", (1000, 1000))
    truth = verifier.prepare(Truth(objects=tuple(Target(phrase=t.phrase, bbox=t.bbox) for t in things)), call)
    return float(verifier.judge(Decoded(tuple(answer)), truth, call)["accuracy"])


@st.composite
def scenes(draw: st.DrawFn, scored: bool) -> tuple[Things, Things]:
    """Things that overlap in any way, and answers that are theirs moved a little, repeated, renamed or left out."""
    rng = draw(st.randoms(use_true_random=False))
    labels = ["cat", "dog", "red kite"][: draw(st.integers(1, 3))]
    things, answer = [], []
    for _ in range(draw(st.integers(1, 25))):
        x, y = rng.randint(0, 300), rng.randint(0, 300)
        box = (x, y, x + rng.randint(20, 120), y + rng.randint(20, 120))
        things.append(Item(rng.choice(labels), bbox=box))
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            far = rng.choice([0, 2, 9])
            moved = tuple(value + rng.randint(-far, far) for value in box)
            name = things[-1].phrase if rng.random() < 0.9 else rng.choice(labels)
            name = name if any(thing.phrase == name for thing in things) else things[-1].phrase
            answer.append(Item(name, bbox=(moved[0], moved[1], moved[2], moved[3])))
    if scored:
        scores = rng.sample(range(1000), len(answer))
        answer = [replace(item, score=own / 1000) for item, own in zip(answer, scores, strict=True)]
    return things, answer


COCOS = np.linspace(0.5, 0.95, 10).tolist()


@settings(max_examples=40, deadline=None)
@given(st.booleans().flatmap(scenes), st.sampled_from([COCOS, [0.5], [0.3, 0.75, 1.0]]))
def test_compat_is_pycocotools(scene: tuple[Things, Things], thresholds: list[float]) -> None:
    things, answer = scene
    if answer:
        expected = by_pycocotools(things, answer, thresholds)
        assert ours("average-precision-compat", things, answer, thresholds) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(scenes(scored=True))
def test_with_scores_that_differ_the_plain_name_is_pycocotools_too(scene: tuple[Things, Things]) -> None:
    things, answer = scene
    if answer:
        assert ours("average-precision", things, answer) == pytest.approx(
            by_pycocotools(things, answer, COCOS), abs=1e-9
        )


def test_only_the_first_hundred_of_a_label_count() -> None:
    thing = Item("cat", bbox=(0, 0, 50, 50))
    junk = [Item("cat", bbox=(100 + n, 200, 140 + n, 240)) for n in range(100)]
    assert ours("average-precision-compat", [thing], [*junk[:99], thing]) == pytest.approx(0.01)
    assert ours("average-precision-compat", [thing], [*junk, thing]) == 0.0
    assert ours("average-precision", [thing], [*junk, thing]) == pytest.approx(1 / 101)


def test_equal_scores_are_taken_together() -> None:
    cat, dog = Item("cat", bbox=(0, 0, 50, 50)), Item("dog", bbox=(100, 0, 150, 50))
    junk = [Item("cat", bbox=(300, 300, 350, 350))] * 3
    assert ours("average-precision-compat", [cat], [cat, *junk]) == pytest.approx(1.0)
    assert ours("average-precision-compat", [cat], [*junk, cat]) == pytest.approx(0.25)
    assert ours("average-precision", [cat], [cat, *junk]) == ours("average-precision", [cat], [*junk, cat]) == 0.25
    assert ours("average-precision-compat", [cat], [cat, dog]) == pytest.approx(1.0)
    assert ours("average-precision", [cat], [cat, dog]) == 0.5


def test_two_right_names_for_one_box_both_count_and_a_wrong_one_costs() -> None:
    box = (0.0, 0.0, 50.0, 50.0)
    names = [Item("dog", bbox=box), Item("shiba", bbox=box)]
    assert ours("nms-ap", names, names) == ours("nms-ap", names, names[::-1]) == 1.0
    assert ours("nms-ap-compat", names, names) == pytest.approx(0.5)
    sure = [Item("dog", bbox=box, score=0.4), Item("shiba", bbox=box, score=0.9)]
    assert ours("nms-ap", names[:1], sure) == 0.0  # the wrong name was the surer one
    assert ours("nms-ap", names[:1], names) == 0.5


def test_thresholds_are_named_in_a_sample() -> None:
    truth = json.dumps([{"phrase": "cat", "bbox": [0, 0, 500, 500]}])
    answer = json.dumps([{"bbox_2d": [0, 0, 500, 400], "label": "cat"}])
    for thresholds, value in (([0.5], 1.0), ([0.9], 0.0), ([0.5, 0.9], 0.5)):
        params = json.dumps({"format": "qwen3-vl", "thresholds": thresholds})
        (found,) = score(Question("average-precision", truth, (1000, 1000), params), [answer])
        assert found.score == value


def test_many_boxes_are_the_same_in_any_order() -> None:
    rng = random.Random(7)
    things = [
        Item("cat", bbox=(x, y, x + 40, y + 40))
        for x, y in ((rng.randint(0, 200), rng.randint(0, 200)) for _ in "x" * 60)
    ]
    first = ours("average-precision", things, things[:50])
    assert first == ours("average-precision", things[::-1], rng.sample(things[:50], 50))
    assert 0.8 < first < 0.9
