"""What every corrected verifier of boxes, points, masks, texts, key points and elements promises."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.formats import Item
from tests.verifiers.shape_scenes import ONES, SETS, Case, Thing, scene

ALL = (*SETS, *ONES)
# Whole pixels, so that a mask changes from each to the next.
STEPS = tuple(step / 60 for step in range(6, 61, 6))


SEEDS = st.integers(0, 2**32 - 1)


def exact(case: Case, things: list[Thing]) -> list[Item]:
    return [case.make(thing, 1.0) for thing in things]


def one(case: Case, things: list[Thing]) -> list[Thing]:
    return things[:1] if case.one else things


@pytest.mark.parametrize("case", ALL, ids=str)
@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_answer_itself_is_one_and_order_is_free(case: Case, seed: int) -> None:
    present, absent = scene(seed)
    things, rng = one(case, present), random.Random(seed)
    right = exact(case, things)
    assert case.judge(things, right) == 1.0
    mixed = [*right, *exact(case, absent[:1])]
    shuffled = rng.sample(mixed, len(mixed))
    assert case.judge(things, shuffled) == pytest.approx(case.judge(things, mixed), abs=1e-12)
    assert case.judge(rng.sample(things, len(things)), right) == 1.0


@pytest.mark.parametrize("case", ALL, ids=str)
@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_nearer_is_better(case: Case, seed: int) -> None:
    things = one(case, scene(seed)[0])
    rest = exact(case, things[1:])
    scores = [case.judge(things, [case.make(things[0], step), *rest]) for step in STEPS]
    for worse, better in pairwise(scores):
        assert worse < better if case.behaviour == "continuous" else worse <= better + 1e-12
    assert scores[0] < scores[-1] == 1.0


@pytest.mark.parametrize("case", ALL, ids=str)
@settings(max_examples=5, deadline=None)
@given(SEEDS, st.sampled_from([1.0, 0.8]))
def test_faults_cost_and_more_of_them_cost_no_less(case: Case, seed: int, near: float) -> None:
    present, absent = scene(seed)
    things = one(case, present)
    right = [case.make(thing, near) for thing in things]
    whole = case.judge(things, right)
    series = {
        "missing": [right[count:] for count in range(1, len(right) + 1)],
        "duplicate": [right + right[:1] * count for count in (1, 2, 5)],
        "invented": [right + exact(case, absent[:count]) for count in (1, 2, 3)],
        "wrong label": [
            [*(replace(item, phrase="someone else") for item in right[:count]), *right[count:]]
            for count in range(1, len(right) + 1)
        ],
    }
    for name, answers in series.items():
        scores = [case.judge(things, answer, "ok" if answer else "none-present") for answer in answers]
        assert scores[0] < whole or whole == 0.0, name
        assert all(after <= before + 1e-12 for before, after in pairwise(scores)), name


@pytest.mark.parametrize("case", ALL, ids=str)
@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_silence_is_right_where_nothing_is(case: Case, seed: int) -> None:
    things = one(case, scene(seed)[0])
    right = exact(case, things)
    assert case.judge([], [], "none-present") == case.judge([], [], "ok") == 1.0
    assert case.judge([], right) == case.judge([], [], "unparsable") == 0.0
    assert case.judge(things, [], "none-present") == case.judge(things, [], "unparsable") == 0.0
    assert case.judge(things, right, "truncated") == case.judge(things, right, "repaired") == 1.0


@pytest.mark.parametrize("case", ALL, ids=str)
@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_an_object_of_another_shape_is_a_wrong_one(case: Case, seed: int) -> None:
    things = one(case, scene(seed)[0])
    x, y = things[0].middle
    other = Item(things[0].phrase, bbox=(x, y, x, y)) if case.verifier == "gui" else None
    other = other or Item(things[0].phrase, rings=((x, y, x + 1, y, x, y + 1),))
    if case.make(things[0], 1.0).rings is not None:
        other = Item(things[0].phrase, point=(x, y))
    right = exact(case, things)
    assert case.judge(things, [*right, other]) < 1.0
    if len(things) == 1 and case.verifier not in ("gui", "ocr"):
        assert case.judge(things, [other]) == 0.0
