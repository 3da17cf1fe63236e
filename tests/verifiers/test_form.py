"""The verifiers that look at the response's form alone: tags, length, repetition."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.verifiers import Question, Score, score

IMAGE = (640, 480)
BOX = '{"bbox_2d": [10, 20, 30, 40], "label": "cat"}'


def judged(name: str, response: str, tokens: int | None = None, **params: object) -> Score:
    question = Question(name, "", IMAGE, json.dumps(params))
    return score(question, [response], tokens=None if tokens is None else [tokens])[0]


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("<think>\na\n</think>\n<answer>\n1\n</answer>", 1.0),
        ("<think>a</think><answer>1</answer>", 1.0),
        ("<think>a</think><answer>1", 0.75),
        ("<answer>1</answer>", 0.5),
        ("<answer>1</answer><think>a</think>", 0.5),
        ("<think>a</think><answer>1</answer><answer>2</answer>", 0.5),
        ("</answer><answer></think><think>", 0.25),
        ("", 0.0),
    ],
)
def test_tags_count_once_and_in_order(response: str, value: float) -> None:
    assert judged("format-tags", response).components == {"format": value}


def test_length_falls_to_its_floor_and_stays_there() -> None:
    values = [judged("length", "x", tokens).score for tokens in range(0, 1025, 64)]
    assert values[0] == 1.0
    assert values[-1] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(values))  # type: ignore[operator]
    assert judged("length", "x", 2048).score == pytest.approx(0.5)
    assert judged("length", "x", 10**9, limit=10, floor=0.0).score == pytest.approx(0.0)


def test_length_is_missing_where_nobody_counted_the_tokens() -> None:
    got = judged("length", "four words of text")
    assert got.score is None
    assert "tokens is not known" in got.reason
    assert judged("length", "x" * 512, limit=1024, unit="characters").score == pytest.approx(0.75)
    assert judged("vlm-r1-length-compat", "x").score is None


def test_repetition_of_objects() -> None:
    assert judged("repetition", f"[{BOX}]").score == 0.0
    assert judged("repetition", f"[{', '.join([BOX] * 5)}]").score == pytest.approx(-0.8)
    assert judged("repetition", f"[{BOX}, {BOX.replace('cat', 'dog')}]").score == 0.0
    assert judged("repetition", f"[{BOX}, {BOX.replace('cat', ' CAT')}]").score == pytest.approx(-0.5)


def test_repetition_of_words_in_the_thought_counts_beside_objects() -> None:
    thought = "first I look at the mat and then " * 4
    assert judged("repetition", f"<think>{thought}</think><answer>[{BOX}]</answer>").score == pytest.approx(
        -(1 - 8 / 27)
    )
    assert judged("repetition", f"<think>I look.</think><answer>[{BOX}]</answer>").score == 0.0


def test_repetition_of_words() -> None:
    assert judged("repetition", "the cat sat on the mat " * 4).score == pytest.approx(-(1 - 6 / 19))
    assert judged("repetition", "a b a b", words=2).score == pytest.approx(-1 / 3)
    assert judged("repetition", "too short to say").score == 0.0


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_repetition_is_the_share_of_runs_that_were_there_before(words: list[str], size: int) -> None:
    runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    again = sum(run in runs[:i] for i, run in enumerate(runs))
    assert judged("repetition", " ".join(words), words=size, format="text").score == pytest.approx(
        -again / len(runs) if runs else 0.0
    )


def test_vlm_r1_length_rises_again_and_the_corrected_one_does_not() -> None:
    assert judged("vlm-r1-length-compat", "x", 2048).score == pytest.approx(1.0)
    assert math.isclose(judged("vlm-r1-length-compat", "x", 700).score or 0, judged("length", "x", 700).score or 1)
