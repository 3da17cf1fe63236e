"""Metrics of boxes by hand, and what must hold for any answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe import registry
from pe.evaluation.case import Case
from tests.evaluation.cases import case, figures, item, truth

A, B, C = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 40.0, 40.0), (60.0, 60.0, 90.0, 90.0)


def test_f1_sums_hits_over_pictures() -> None:
    values = figures(
        "box-f1-one-to-one",
        case([truth(A), truth(B)], [item(A), item(A), item(C)]),
        case([truth(C)], [item((60, 60, 90, 78))]),  # IoU .6
        case([], [item(A)], negatives=["cat"]),
    )
    assert values["precision@.50"] == pytest.approx(2 / 5)
    assert values["recall@.50"] == pytest.approx(2 / 3)
    assert values["F1@.50"] == pytest.approx(4 / 8)
    assert values["F1@.75"] == values["F1@.95"] == pytest.approx(2 / 8)
    assert values["F1@mean"] == pytest.approx((3 * 4 / 8 + 7 * 2 / 8) / 10)
    assert values["recall@mean"] == pytest.approx((3 * 2 / 3 + 7 * 1 / 3) / 10)


def test_labels_count_or_not_by_the_name() -> None:
    swapped = case([truth(A), truth(B, "dog")], [item(A, "dog"), item(B, "cat")])
    assert figures("box-f1-one-to-one", swapped)["F1@.50"] == 0.0
    assert figures("box-f1-one-to-one-class-agnostic", swapped)["F1@.95"] == 1.0
    assert figures("greedy-pr-best-pair", swapped)["recall@.50"] == 0.0


def test_one_to_one_finds_pairs_that_greedy_misses() -> None:
    truths = [truth((0, 0, 100, 100)), truth((0, 0, 100, 70))]
    answers = [item((0, 0, 100, 85)), item((0, 0, 100, 100))]
    assert figures("box-f1-one-to-one", case(truths, answers))["recall@.50"] == 1.0
    greedy = figures("greedy-pr-best-pair", case([truth((0, 0, 10, 10)), truth((0, 4, 10, 16))], [
        item((0, 1, 10, 10)), item((0, 0, 10, 7)),
    ]))  # fmt: skip
    assert greedy["recall@.50"] == 0.5  # the best pair is taken first, and nothing is left for the other


def test_by_category_averages_labels() -> None:
    values = figures(
        "box-f1-greedy-by-category",
        case([truth(A), truth(B), truth(C, "dog")], [item(A), item(B), item(A, "bird")]),
        case([truth(A, "dog")], [item(A, "dog"), item(C, "dog")]),
    )
    # cat: R 1, P 1; dog: R 1/2, P 1/2; bird has no truth and is left out
    assert values["recall@.50"] == pytest.approx(0.75)
    assert values["precision@.50"] == pytest.approx(0.75)
    assert values["F1@.50"] == values["F1@.95"] == pytest.approx(0.75)
    never = figures("box-f1-greedy-by-category", case([truth(A), truth(B, "dog")], [item(A)]))
    assert never["precision@.50"] == 0.5  # a label without an answer is no reward


def test_crowded_labels_are_left_out_of_the_filtered_ap() -> None:
    crowd = [truth((x * 9, 0, x * 9 + 8, 8), "cup") for x in range(11)]
    one = case([*crowd, truth(C)], [item(C)], image=(200, 200))
    assert figures("coco-ap", one)["AP"] == pytest.approx(0.5)
    assert figures("coco-ap-filtered", one)["AP"] == pytest.approx(1.0)
    ten = case([*crowd[:10], truth(C)], [item(C)], image=(200, 200))
    assert figures("coco-ap-filtered", ten)["AP"] == pytest.approx(0.5)


def test_a_label_left_out_in_one_picture_stays_in_others() -> None:
    crowd = [truth((x * 9, 0, x * 9 + 8, 8)) for x in range(11)]
    wrong = case([*crowd], [item(C, "dog", 0.9)], image=(200, 200))
    values = figures("coco-ap-filtered", wrong, case([truth(A, "dog")], [item(A, "dog", 0.5)]))
    assert values["AP50"] == pytest.approx(0.5)  # the dog that is none still costs precision


def test_referring() -> None:
    cases = [
        case([truth(A)], [item((0, 0, 10, 8))], ability="referring"),
        case([truth(A)], [item(A, "anything"), item(C)], ability="referring"),
        case([truth(A)], [item(C), item(A)], ability="referring"),
        case([truth(A)], [], ability="referring"),
    ]
    values = figures("rec-accuracy", *cases)
    assert (values["Acc@.10"], values["Acc@.75"], values["Acc@.95"], values["centre"]) == (0.5, 0.5, 0.25, 0.5)
    metric = registry.load("metrics", "rec-accuracy")()
    assert not metric.applies(case([truth(A)], [], ability="detection"))
    assert not metric.applies(case([truth(A), truth(B)], [], ability="referring"))


box = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(5, 40)] * 2)
label = st.sampled_from(["cat", "dog"])
objects = st.lists(st.tuples(box, label), max_size=6)


def drawn(truths: list[tuple[tuple[int, ...], str]], answers: list[tuple[tuple[int, ...], str]]) -> Case:
    def corners(place: tuple[int, ...]) -> tuple[float, ...]:
        return (place[0], place[1], place[0] + place[2], place[1] + place[3])

    return case(
        [truth(corners(place), name) for place, name in truths],
        [item(corners(place), name) for place, name in answers],
        negatives=["bird"],
    )


RATES = (
    *("coco-ap", "nms-ap", "ovdeval-nms-ap-compat", "box-f1-one-to-one", "box-f1-one-to-one-class-agnostic"),
    *("box-f1-greedy-by-category", "greedy-pr-best-pair", "rexomni-f1-compat", "duplicate-ratio", "large-box-ratio"),
    *("rejection", "no-target-accuracy"),
)


@settings(max_examples=80, deadline=None)
@given(objects, objects)
def test_any_answer(truths: list[tuple[tuple[int, ...], str]], answers: list[tuple[tuple[int, ...], str]]) -> None:
    one = drawn(truths, answers)
    found = {name: figures(name, one) for name in RATES}
    for name, values in found.items():
        for figure, value in values.items():
            assert value is None or 0.0 <= value <= 1.0 + 1e-12, (name, figure)
    aware, agnostic = (found[f"box-f1-one-to-one{kind}"] for kind in ("", "-class-agnostic"))
    assert (aware["F1@.50"] or 0) <= (agnostic["F1@.50"] or 0) + 1e-12
    greedy = found["greedy-pr-best-pair"]["recall@.50"]
    if greedy is not None:
        assert greedy <= (aware["recall@.50"] or 0) + 1e-12
    if truths:
        perfect = drawn(truths, truths)
        assert figures("box-f1-one-to-one", perfect)["F1@mean"] == 1.0
        assert figures("coco-ap", perfect)["AP"] == pytest.approx(1.0)
        assert figures("count-error", perfect)["MAE"] == 0.0
        assert figures("off-target", perfect)["off-target"] == 0.0
        reordered = drawn(truths, list(reversed(answers)))
        assert figures("box-f1-one-to-one", reordered) == aware


@settings(max_examples=30, deadline=None)
@given(st.tuples(box, label), objects.filter(bool), st.integers(0, 5))
def test_another_copy_never_helps(
    there: tuple[tuple[int, ...], str], answers: list[tuple[tuple[int, ...], str]], which: int
) -> None:
    more = [*answers, answers[which % len(answers)]]
    before, after = (figures("box-f1-one-to-one", drawn([there], some)) for some in (answers, more))
    for figure, value in after.items():
        assert (value or 0) <= (before[figure] or 0) + 1e-12, figure
    duplicates = [figures("duplicate-ratio", drawn([there], some))["duplicates"] or 0.0 for some in (answers, more)]
    assert duplicates[1] * len(more) == pytest.approx(duplicates[0] * len(answers) + 1)
