"""cgF1 in closed form: the numbers that a share of misses and of false alarms gives."""

from __future__ import annotations

import math

import pytest

from pe import registry
from pe.evaluation.case import Case
from tests.evaluation.cases import case, figures, item, truth

BOX = (10.0, 10.0, 50.0, 50.0)


def pairs(positives: int, missed: int, negatives: int, alarms: int) -> list[Case]:
    """Pictures with one perfectly found object each, some missed, and some without any."""
    there = [case([truth(BOX)], [] if number < missed else [item(BOX)]) for number in range(positives)]
    absent = [case([], [item(BOX)] if number < alarms else [], negatives=["cat"]) for number in range(negatives)]
    return there + absent


@pytest.mark.parametrize(
    ("positives", "missed", "negatives", "alarms", "mcc"),
    [(20, 1, 20, 1, 0.90), (10, 1, 10, 1, 0.80), (20, 2, 600, 30, 0.56), (20, 0, 20, 0, 1.0)],
)
def test_closed_form(positives: int, missed: int, negatives: int, alarms: int, mcc: float) -> None:
    values = figures("cgf1-box", *pairs(positives, missed, negatives, alarms))
    recall = 1 - missed / positives
    assert values["pmF1"] == pytest.approx(2 * recall / (1 + recall))
    assert values["IL_MCC"] == pytest.approx(mcc, abs=0.005)
    assert values["cgF1"] == pytest.approx((values["pmF1"] or 0) * (values["IL_MCC"] or 0))
    assert values["negatives a positive"] == negatives / positives


def test_an_answer_that_is_always_yes_earns_nothing() -> None:
    always = pairs(10, 0, 10, 10)
    values = figures("cgf1-box", *always)
    assert (values["pmF1"], values["IL_MCC"], values["cgF1"]) == (1.0, 0.0, 0.0)


def test_it_is_none_where_it_is_not_known() -> None:
    values = figures("cgf1-box", *pairs(3, 1, 0, 0))
    assert values["IL_MCC"] is None
    assert values["cgF1"] is None
    assert values["pmF1"] == pytest.approx(0.8)
    values = figures("cgf1-box", *pairs(0, 0, 3, 1))
    assert values["pmF1"] is None
    assert values["negatives a positive"] is None


def test_alarms_on_absent_phrases_are_in_the_mcc_alone() -> None:
    both = case([truth(BOX)], [item(BOX), item((60, 60, 90, 90), "dog")], negatives=["dog"])
    values = figures("cgf1-box", both, case([], [], negatives=["dog"]))
    assert values["pmF1"] == 1.0
    assert values["IL_MCC"] == pytest.approx(1 / math.sqrt(2 * 1 * 2 * 1))


def test_what_cannot_be_read_is_wrong_everywhere() -> None:
    silent = [case([truth(BOX)], [item(BOX)]), case([], [], negatives=["cat"])]
    garbled = [silent[0], case([], [], negatives=["cat"], status="unparsable")]
    assert figures("cgf1-box", *silent)["IL_MCC"] == 1.0
    assert figures("cgf1-box", *garbled)["IL_MCC"] == 0.0


def test_unsure_answers_do_not_count() -> None:
    values = figures(
        "cgf1-box", case([truth(BOX)], [item(BOX, score=0.49)]), case([truth(BOX)], [item(BOX, score=0.5)])
    )
    assert values["pmF1"] == pytest.approx(2 / 3)


def test_pairs_are_chosen_before_the_threshold() -> None:
    """SAM 3 pairs by the largest sum once, then looks at the IoU of the pairs: a good one may be given up for two."""
    truths = [truth((0, 0, 100, 10)), truth((0, 0, 50, 10))]
    answers = [item((0, 0, 90, 10)), item((40, 0, 100, 10))]  # IoU .9 and .56; .6 and .1
    values = figures("cgf1-box", case(truths, answers))
    assert values["pmF1"] == pytest.approx((2 * 1.0 + 1 * 0.5) / 10)  # .56 and .6 together are more than .9 and .1


def test_the_ratio_of_negatives_stands_in_the_name() -> None:
    metric = registry.load("metrics", "cgf1-box")()
    assert metric.label("cgF1", {"negatives a positive": 30.0}) == "cgF1 (1:30.00)"
    assert metric.label("pmF1", {"negatives a positive": 30.0}) == "pmF1"
    assert metric.label("cgF1", {"negatives a positive": None}) == "cgF1"
