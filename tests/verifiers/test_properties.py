"""What every verifier of sets of labelled boxes promises, found by its shapes, whatever its formula."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.formats import Decoded, Item
from pe.registry import load, names
from pe.verifiers import Call, Target, Truth
from tests.verifiers.shape_scenes import ONES, SETS

SIZE = (700, 500)
CELL = 100
ELSEWHERE = {case.verifier for case in (*SETS, *ONES)}
CORRECTED = [name for name in names("verifiers") if not name.endswith("-compat")]
BOXES = [name for name in CORRECTED if load("verifiers", name).shapes == ("bbox",) and name not in ELSEWHERE]
EPSILON = 1e-12

Things = list[Item]
PHRASES = st.sampled_from(["cat", "red dog", "Kite"])


def judge(name: str, things: Things, answer: Things, status: Any = "ok", progress: float = 1.0) -> float:
    """The score of `answer` where `things` are right."""
    kind = load("verifiers", name)
    verifier = kind(kind.Parameters.model_validate({}))
    targets = tuple(Target(phrase=thing.phrase, bbox=thing.bbox) for thing in things)
    truth = verifier.prepare(Truth(objects=targets, negatives=("ship",)), Call("", SIZE))
    found = verifier.judge(Decoded(tuple(answer), status=status), truth, Call("", SIZE, progress=progress))
    return float(found["accuracy"])


@st.composite
def apart(draw: st.DrawFn) -> tuple[Things, Things]:
    """Up to six things that do not overlap, and three more boxes that are not there."""
    cells = draw(st.permutations([(CELL * x, CELL * y) for x in range(7) for y in range(5)]))
    things = []
    for x, y in cells[:9]:
        left, top, wide, high = (draw(st.floats(0.0, 24.0)) for _ in range(4))
        things.append(Item(draw(PHRASES), bbox=(x + left, y + top, x + left + 50 + wide, y + top + 50 + high)))
    return things[: draw(st.integers(1, 6))], things[6:]


@st.composite
def crowds(draw: st.DrawFn) -> Things:
    """Up to seven things that overlap in any way."""
    corners = st.integers(0, 12).map(lambda number: number * 10.0)
    sizes = st.integers(1, 12).map(lambda number: number * 10.0)
    things = []
    for _ in range(draw(st.integers(1, 7))):
        x, y = draw(corners), draw(corners)
        things.append(Item(draw(PHRASES), bbox=(x, y, x + draw(sizes), y + draw(sizes))))
    return things


def narrowed(thing: Item, overlap: float) -> Item:
    """The thing with an IoU of `overlap` to itself."""
    x0, y0, x1, y1 = thing.bbox or (0.0, 0.0, 0.0, 0.0)
    return replace(thing, bbox=(x0, y0, x0 + (x1 - x0) * overlap, y1))


def moved(thing: Item, by: float) -> Item:
    x0, y0, x1, y1 = thing.bbox or (0.0, 0.0, 0.0, 0.0)
    return replace(thing, bbox=(x0 + by, y0, x1 + by, y1))


def test_no_verifier_of_objects_is_without_its_properties() -> None:
    compared = {name for name in CORRECTED if load("verifiers", name).shapes}
    # "count" looks at how many there are, and not at where
    assert compared - ELSEWHERE - {"count"} == set(BOXES)
    assert len(BOXES) >= 13


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=10, deadline=None)
@given(apart(), crowds(), st.sampled_from([0.0, 0.1, 0.25, 1.0]))
def test_the_answer_itself_is_exactly_one(
    name: str, scene: tuple[Things, Things], crowd: Things, progress: float
) -> None:
    assert judge(name, scene[0], scene[0], progress=progress) == 1.0
    assert judge(name, scene[0], [replace(thing, phrase=f" {thing.phrase.upper()} ") for thing in scene[0]]) == 1.0
    assert judge(name, crowd, crowd) == 1.0


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=10, deadline=None)
@given(apart(), st.integers(0, 6), st.sampled_from([0.05, 0.2, 1.0]))
def test_nearer_is_better(name: str, scene: tuple[Things, Things], junk: int, progress: float) -> None:
    things, absent = scene
    rest = [*things[1:], *absent[: junk // 2]]
    steps = [step / 40 for step in range(1, 41)]
    scores = [judge(name, things, [narrowed(things[0], step), *rest], progress=progress) for step in steps]
    continuous = load("verifiers", name).behaviour == "continuous"
    for worse, better in pairwise(scores):
        assert worse < better if continuous else worse <= better + EPSILON
    assert scores[0] < scores[-1]
    slid = [judge(name, things, [moved(things[0], by), *rest], progress=progress) for by in (40, 20, 10, 5, 1, 0)]
    assert all(worse <= better + EPSILON for worse, better in pairwise(slid))


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=10, deadline=None)
@given(apart())
def test_every_fault_costs_and_more_of_it_never_earns_more(name: str, scene: tuple[Things, Things]) -> None:
    things, absent = scene
    series = {
        "missing": [things[count:] for count in range(1, len(things) + 1)],
        "duplicate": [things + things[:1] * count for count in (1, 2, 7)],
        "near duplicate": [things + [moved(things[0], by) for by in range(1, count + 1)] for count in (1, 2, 7)],
        "invented": [things + absent[:count] for count in (1, 2, 3)],
        "invented, of a phrase that is not there": [
            things + [replace(item, phrase="ship") for item in absent[:count]] for count in (1, 2, 3)
        ],
        "wrong label": [
            [*(replace(item, phrase="ship") for item in things[:count]), *things[count:]]
            for count in range(1, len(things) + 1)
        ],
        "a point": [[*things, *[Item(things[0].phrase, point=(1.0, 1.0))] * count] for count in (1, 2)],
    }
    for fault, answers in series.items():
        scores = [judge(name, things, answer, "ok" if answer else "none-present") for answer in answers]
        assert scores[0] < 1.0, fault
        assert all(after <= before + EPSILON for before, after in pairwise(scores)), fault


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=12, deadline=None)
@given(apart(), st.integers(1, 6), st.sampled_from([1.0, 0.9, 0.6, 0.3]))
def test_junk_never_pays(name: str, scene: tuple[Things, Things], told: int, near: float) -> None:
    things, absent = scene
    answer = [narrowed(thing, near) for thing in things[:told]]
    scores = [judge(name, things, answer + absent[:count]) for count in range(4)]
    assert all(after <= before + EPSILON for before, after in pairwise(scores))


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=15, deadline=None)
@given(crowds(), crowds(), st.randoms(use_true_random=False))
def test_order_is_free(name: str, things: Things, answer: Things, rng: random.Random) -> None:
    before = judge(name, things, answer)
    again = judge(name, rng.sample(things, len(things)), rng.sample(answer, len(answer)))
    assert again == pytest.approx(before, abs=EPSILON)
    scored = [replace(item, score=rng.random()) for item in answer]
    before = judge(name, things, scored)
    again = judge(name, rng.sample(things, len(things)), rng.sample(scored, len(scored)))
    assert again == pytest.approx(before, abs=EPSILON)


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=5, deadline=None)
@given(apart())
def test_silence_is_right_where_nothing_is_and_wrong_otherwise(name: str, scene: tuple[Things, Things]) -> None:
    things, absent = scene
    assert judge(name, [], [], "none-present") == judge(name, [], []) == 1.0
    assert judge(name, [], [], "unparsable") == judge(name, [], [], "truncated") == 0.0
    assert judge(name, [], absent) <= 0.0
    assert judge(name, things, [], "none-present") == judge(name, things, [], "unparsable") == 0.0
    assert judge(name, things, [], "truncated") == 0.0
    assert judge(name, things, things, "unparsable") == 0.0
    for status in ("repaired", "truncated"):
        assert judge(name, things, things, status) == 1.0


@pytest.mark.parametrize("name", BOXES)
def test_a_truth_without_a_box_or_an_area_is_an_error(name: str) -> None:
    kind = load("verifiers", name)
    verifier = kind(kind.Parameters.model_validate({}))
    for target in (Target(phrase="cat", point=(1, 1)), Target(phrase="cat", bbox=(5, 5, 5, 9))):
        with pytest.raises(ValueError, match="cat has no box"):
            verifier.prepare(Truth(objects=(target,)), Call("", SIZE))
