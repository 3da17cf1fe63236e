"""coco-ap, coco-ap-mask and coco-ap-keypoints give pycocotools' figures, for any set of pictures."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pe.evaluation.case import Case
from pe.formats import Item
from pe.geometry.masks import encode
from pe.geometry.raster import rings_to_mask
from pe.verifiers.keypoints import _SIGMAS
from tests.evaluation.cases import case, figures, item, truth

SIDE = 200
LABELS = ("cat", "dog", "bird")
PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
PERSON = ["nose", *(f"{side}_{part}" for part in PARTS for side in ("left", "right"))]


def judged(truths: list[dict[str, Any]], answers: list[dict[str, Any]], images: int, kind: str) -> list[float]:
    """COCOeval's figures; -1 where there is none."""
    categories = [{"id": number, "name": name, "keypoints": PERSON} for number, name in enumerate(LABELS, 1)]
    pictures = [{"id": number, "width": SIDE, "height": SIDE} for number in range(images)]
    for number, one in enumerate(truths, 1):
        one |= {"id": number, "iscrowd": 0}
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {"images": pictures, "annotations": truths, "categories": categories}
        known.createIndex()
        judge = COCOeval(known, known.loadRes(answers), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [float(value) for value in judge.stats]


def same(values: dict[str, float | None], expected: list[float]) -> None:
    for (name, ours), theirs in zip(values.items(), expected, strict=False):
        assert (-1.0 if ours is None else ours) == pytest.approx(theirs, abs=1e-9), name


corner = st.integers(0, 60).map(float)
size = st.sampled_from([8.0, 20.0, 32.0, 45.0, 96.0, 120.0])
box = st.tuples(corner, corner, size, size)
label = st.sampled_from(LABELS)
score = st.sampled_from([0.2, 0.5, 0.5, 0.9, 1.0])
shift = st.tuples(*[st.sampled_from([-6.0, 0.0, 0.0, 2.0, 5.0])] * 4)
picture = st.tuples(
    st.lists(st.tuples(label, box), max_size=5),
    st.lists(st.tuples(label, box, score), max_size=3),
    st.lists(st.tuples(st.integers(0, 4), shift, score, st.booleans()), max_size=6),
)


def answers_of(there: list[Any], loose: list[Any], near: list[Any]) -> list[tuple[str, list[float], float]]:
    """Answers anywhere, and some near a truth, of its label or of another."""
    found = [(name, list(place), value) for name, place, value in loose]
    for index, off, value, swap in near:
        if index < len(there):
            name, place = there[index]
            moved = [a + b for a, b in zip(place, off, strict=True)]
            found.append((LABELS[0] if swap else name, [*moved[:2], max(4.0, moved[2]), max(4.0, moved[3])], value))
    return found


def corners(place: list[float]) -> list[float]:
    x, y, width, height = place
    return [x, y, x + width, y + height]


@settings(max_examples=60, deadline=None)
@given(st.lists(picture, min_size=1, max_size=4))
def test_boxes(pictures: list[Any]) -> None:
    truths: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    cases: list[Case] = []
    for number, (there, loose, near) in enumerate(pictures):
        found = answers_of(there, loose, near)
        for name, place in there:
            truths.append({
                "image_id": number, "category_id": LABELS.index(name) + 1, "bbox": list(place),
                "area": place[2] * place[3],
            })  # fmt: skip
        for name, place, value in found:
            answers.append({"image_id": number, "category_id": LABELS.index(name) + 1, "bbox": place, "score": value})
        cases.append(
            case(
                [truth(corners(list(place)), name) for name, place in there],
                [item(corners(place), name, value) for name, place, value in found],
                image=(SIDE, SIDE),
            )
        )
    if answers:
        same(figures("coco-ap", *cases), judged(truths, answers, len(cases), "bbox"))


def test_more_than_a_hundred_answers_of_a_label() -> None:
    truths = [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500}]
    answers = [{"image_id": 0, "category_id": 1, "bbox": [100, 100, 9, 9], "score": 0.9}] * 100
    answers = [*answers, {"image_id": 0, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 0.8}]
    tested = case(
        [truth([0, 0, 50, 50])],
        [*[item([100, 100, 109, 109], score=0.9)] * 100, item([0, 0, 50, 50], score=0.8)],
        image=(SIDE, SIDE),
    )
    assert figures("coco-ap", tested)["AP"] == 0.0
    same(figures("coco-ap", tested), judged(truths, answers, 1, "bbox"))


@settings(max_examples=15, deadline=None)
@given(st.lists(picture, min_size=1, max_size=2))
def test_masks(pictures: list[Any]) -> None:
    truths: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    cases: list[Case] = []
    for number, (there, loose, near) in enumerate(pictures):
        found = answers_of(there, loose, near)
        items, targets = [], []
        for name, place in there:
            mask = encode(rings_to_mask([_ring(list(place))], SIDE, SIDE))
            area = float(rings_to_mask([_ring(list(place))], SIDE, SIDE).sum())
            targets.append({"phrase": name, "mask": mask.model_dump()})
            truths.append({
                "image_id": number, "category_id": LABELS.index(name) + 1, "area": area,
                "segmentation": mask.model_dump(), "bbox": list(place),
            })  # fmt: skip
        for name, place, value in found:
            mask = encode(rings_to_mask([_ring(place)], SIDE, SIDE))
            items.append(Item(name, rings=(tuple(_ring(place)),), score=value))
            answers.append({
                "image_id": number, "category_id": LABELS.index(name) + 1, "score": value,
                "segmentation": mask.model_dump(),
            })  # fmt: skip
        cases.append(case(targets, items, kind="masks", image=(SIDE, SIDE)))
    if answers:
        same(figures("coco-ap-mask", *cases), judged(truths, answers, len(cases), "segm"))


def _ring(place: list[float]) -> list[float]:
    x0, y0, x1, y1 = corners(place)
    return [x0, y0, x1, y0, x1, y1, (x0 + x1) / 2, y1 + 5, x0, y1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_key_points(seed: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    truths: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    cases: list[Case] = []
    for number in range(images):
        targets, items = [], []
        for _ in range(rng.integers(0, 4)):
            x, y = rng.integers(0, 60, 2)
            width, height = (int(value) for value in rng.choice([40, 60, 110], 2))
            places = np.stack([x + rng.random(17) * width, y + rng.random(17) * height], axis=1).round()
            seen = rng.random(17) < rng.choice([0.0, 0.5, 1.0])
            area = float(width * height)
            flat = [value for (u, v), some in zip(places, seen, strict=True) for value in (u, v, 2 if some else 0)]
            truths.append({
                "image_id": number, "category_id": 1, "bbox": [int(x), int(y), width, height], "area": area,
                "keypoints": list(map(float, flat)), "num_keypoints": int(seen.sum()),
            })  # fmt: skip
            named = {
                name.replace("_", " "): tuple(map(float, place)) if some else None
                for name, place, some in zip(PERSON, places, seen, strict=True)
            }
            box = [float(x), float(y), float(x + width), float(y + height)]
            targets.append({"phrase": "cat", "bbox": box, "keypoints": named})
            for _ in range(rng.integers(0, 3)):
                moved = places + rng.normal(size=(17, 2)) * rng.choice([0.5, 3, 9])
                value = float(rng.choice([0.3, 0.6, 0.6, 0.9]))
                spread = moved.max(axis=0) - moved.min(axis=0)
                around = tuple(map(float, (*moved.min(axis=0), *moved.max(axis=0))))
                points = {name: tuple(map(float, place)) for name, place in zip(PERSON, moved, strict=True)}
                items.append(Item("cat", bbox=around, keypoints=points, score=value))
                answers.append({
                    "image_id": number, "category_id": 1, "score": value, "area": float(spread.prod()),
                    "keypoints": [float(v) for place in moved for v in (*place, 2)],
                })  # fmt: skip
        cases.append(case(targets, items, kind="keypoints", image=(SIDE, SIDE)))
    if answers:
        assert set(_SIGMAS) == {name.replace("_", " ") for name in PERSON}
        same(figures("coco-ap-keypoints", *cases), judged(truths, answers, images, "keypoints"))
