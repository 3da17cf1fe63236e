from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pe.evaluation.mining.difficulty import Difficulty, difficulty
from pe.evaluation.mining.keep import Keep

REWARDS = st.lists(st.floats(0, 1), min_size=1, max_size=16)


def keep(*words: str) -> Keep:
    return Keep.model_validate(list(words))


def row(*rewards: float, greedy: float | None = None) -> Difficulty:
    return difficulty("k", rewards, [] if greedy is None else [greedy], 0.5, "")


def test_what_answers_earned_in_numbers() -> None:
    found = row(0.0, 0.5, 1.0, 0.25, greedy=0.75)
    assert (found.samples, found.right, found.greedy_right) == (4, 2, True)
    assert found.as_dict() == {"key": "k", "pass_rate": 0.5, "mean": 0.4375, "best": 1.0, "greedy": 0.75}
    assert row(1.0).as_dict()["greedy"] is None


@pytest.mark.parametrize(("rewards", "greedy"), [([0.5, None], [1.0]), ([0.5, 0.5], [None])])
def test_a_row_with_a_missing_score_is_unknown(rewards: list[float | None], greedy: list[float | None]) -> None:
    found = difficulty("k", rewards, greedy, 0.5, "no_answer: truncated: cut")
    assert (found.reason, found.detail) == ("no_answer", "truncated: cut")
    assert found.as_dict() == {
        "key": "k", "pass_rate": None, "mean": None, "best": None, "greedy": None, "reason": "no_answer"
    }  # fmt: skip


@given(REWARDS)
def test_the_default_leaves_mixed_groups_alone(rewards: list[float]) -> None:
    found = row(*rewards)
    why = keep("pass-rate:above=0,below=1").why_not(found)
    assert why == ("pass_rate_low" if found.right == 0 else "pass_rate_high" if found.right == len(rewards) else "")
    if not why:
        assert max(rewards) > min(rewards)


def test_v_triunes_rules() -> None:
    boxes = keep("reward-sum:min=2,max=10")
    sums = {1.9: "reward_sum_low", 2.0: "", 10.0: "", 10.1: "reward_sum_high"}
    assert {total: boxes.why_not(row(*[total / 16] * 16)) for total in sums} == sums
    assert boxes.why_not(row(*[0.1] * 20)) == ""  # the sum of twenty tenths is a little more than 2, or less
    reasoning = keep("pass-rate:min=0,below=1")
    assert [reasoning.why_not(row(*[1.0] * right + [0.0] * (8 - right))) for right in (0, 7, 8)] == [
        "", "", "pass_rate_high",
    ]  # fmt: skip


def test_falcon_hds_rule() -> None:
    rule = keep("greedy-wrong")
    assert rule.made[0].needs_greedy
    assert rule.why_not(row(0.0, 1.0, greedy=1.0)) == "greedy_right"
    assert rule.why_not(row(0.0, 0.4, greedy=0.0)) == "none_right"
    assert rule.why_not(row(0.0, 0.5, greedy=0.49)) == ""
    assert keep("greedy-wrong:right=2").why_not(row(0.0, 0.5, greedy=0.0)) == "none_right"


def test_the_first_rule_that_does_not_hold_says_why() -> None:
    both = keep("pass-rate:max=0.9", "reward-sum:max=3")
    assert both.why_not(row(1.0, 1.0, 1.0, 1.0)) == "pass_rate_high"
    assert both.why_not(row(1.0, 1.0, 1.0, 0.45)) == "reward_sum_high"
    assert both.why_not(row(0.4, 0.4, 0.4, 0.3)) == "reward_sum_low"
    assert keep().why_not(row(0.0)) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["passrate"], "known: pass-rate, reward-sum, greedy-wrong"),
        (["pass-rate:0.5"], "KEY=VALUE"),
        (["pass-rate:least=0.5"], "takes min, max, above, below"),
        (["pass-rate:min=much"], "min: Input should be a valid number"),
        ({"reward-sum": {"most": 1}}, "takes min, max"),
    ],
)
def test_bad_rules_are_named(value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Keep.model_validate(value)
