"""What goes over the wire, without a wire."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.verifiers import Question, Score
from pe.verifiers.service.wire import (
    MAX_RESPONSES,
    Malformed,
    RefusedError,
    Rollouts,
    missing,
    read_items,
    read_score,
    write_items,
    write_score,
)

SIDES = st.tuples(st.integers(1, 9000), st.integers(1, 9000))
TEXT = st.text(st.characters())  # lone surrogates too
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def rollouts(draw: st.DrawFn) -> Rollouts:
    responses = tuple(draw(st.lists(TEXT, max_size=4)))
    tokens = draw(st.none() | st.just(tuple(range(len(responses)))))
    question = Question(
        draw(st.sampled_from(["format", "qwen2.5-vl", "a"])),
        draw(TEXT),
        draw(SIDES),
        draw(TEXT),
        draw(TEXT),
        draw(st.none() | SIDES),
    )
    return Rollouts(question, responses, draw(st.floats(0, 1)), tokens)


@given(st.lists(rollouts(), max_size=4))
def test_what_is_written_is_read(items: list[Rollouts]) -> None:
    assert read_items(write_items(items)) == items


@given(
    st.none() | NUMBERS,
    st.dictionaries(TEXT, st.none() | NUMBERS),
    TEXT,
    TEXT.filter(bool),
    st.dictionaries(TEXT, NUMBERS),
)
def test_a_score_comes_back_as_it_was(
    value: float | None, components: dict[str, float | None], state: str, reason: str, metrics: dict[str, float]
) -> None:
    score = Score(value, components, state, "" if value is not None else reason, metrics)
    line = write_score(score)
    assert b"\n" not in line
    assert read_score(json.loads(line)) == score


def test_a_missing_score_always_has_a_reason_and_metrics_are_numbers() -> None:
    line = write_score(Score(None, {}, "ok", "", {"a": math.nan, "b": math.inf, "c": 1.0}))
    read = read_score(json.loads(line))
    assert read.reason
    assert read.metrics == {"c": 1.0}


GOOD = json.loads(write_score(Score(0.5, {"accuracy": 0.5}, "ok")))


@pytest.mark.parametrize(
    "change",
    [
        {"score": None},
        {"score": "0.5"},
        {"score": True},
        {"score": math.nan},
        {"score": 10**400},
        {"reason": "but why"},
        {"reason": None},
        {"components": {"accuracy": "1"}},
        {"components": {"accuracy": math.inf}},
        {"components": []},
        {"metrics": {"iou": "x"}},
        {"state": 3},
    ],
    ids=str,
)
def test_an_answer_that_is_off_is_no_score(change: dict[str, Any]) -> None:
    read_score(GOOD)
    with pytest.raises(ValueError, match=r"no number|known form"):
        read_score(GOOD | change)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_an_answer_that_lacks_something_is_no_score(key: str) -> None:
    with pytest.raises(ValueError, match="known form"):
        read_score({name: value for name, value in GOOD.items() if name != key})


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    status, detail = 0, "read"
    try:
        read_items(body)
    except RefusedError as refused:
        status, detail = refused.status, refused.detail
    assert status in (0, 400)
    assert 0 < len(detail) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "verifier",
                "params",
                "ground_truth",
                "weights",
                "image_size",
                "input_size",
                "responses",
                "response",
                "progress",
                "tokens",
            ]
        ),
        JSON,
    )
)
def test_any_item_is_read_or_malformed(item: dict[str, Any]) -> None:
    (read,) = read_items(json.dumps({"items": [item]}).encode())
    assert isinstance(read, Rollouts) or (isinstance(read, Malformed) and 0 < len(read.error) <= 300)
    if isinstance(read, Malformed):
        given_responses = item.get("responses")
        expected = len(given_responses) if isinstance(given_responses, list) else int("response" in item)
        assert read.responses == expected


def test_more_responses_than_a_request_may_hold() -> None:
    body = json.dumps({"items": [{"responses": [""] * MAX_RESPONSES}, {}]}).encode()
    with pytest.raises(RefusedError) as raised:
        read_items(body)
    assert raised.value.status == 413


def test_missing_has_no_score() -> None:
    assert missing("gone") == Score(None, {}, "unread", "gone")
