"""The verifiers that compare text, read in the sample's format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.errors import InputError
from pe.verifiers import Question, check, score

IMAGE = (640, 480)
OPTIONS = json.dumps(
    {"text": "B", "question": "What is it?", "options": {"A": "the dog", "B": "the cat", "C": "a cat"}}
)


def accuracy(name: str, gold: str, response: str) -> float | None:
    return score(Question(name, gold, IMAGE), [response])[0].components["accuracy"]


@pytest.mark.parametrize(
    ("gold", "response", "right"),
    [
        ("B", "B", 1),
        ("b", "(B)", 1),
        ("B", "<think>A or B</think><answer>(B)</answer>", 1),
        ("<answer>B. the cat</answer>", "\\boxed{B}", 1),
        ("B", "The answer is C.", 0),
        ("B", "", 0),
        ("B", "I cannot tell.", 0),
        (OPTIONS, "B.", 1),
        (OPTIONS, "it is the cat", 1),
        (OPTIONS, "it is the dog", 0),
        (OPTIONS.replace('"text": "B"', '"text": "The  Cat"'), "B", 1),
    ],
)
def test_choice(gold: str, response: str, right: int) -> None:
    assert accuracy("choice", gold, response) == right


@pytest.mark.parametrize(
    ("gold", "response", "right"),
    [
        ("yes", "Yes, it is", 1),
        ("yes", "I know it is yes", 1),
        ("no", "I know it is yes", 0),
        ("No.", "**No**, nothing", 1),
        ("yes", "There is no dog, so: yes", 1),
        ("yes", "<think>no</think><answer>yes</answer>", 1),
        ("yes", "maybe", 0),
        ("yes", "noyes", 0),
        ("no", "", 0),
        ('{"text": "no"}', "NO", 1),
    ],
)
def test_yes_no(gold: str, response: str, right: int) -> None:
    assert accuracy("yes-no", gold, response) == right


@pytest.mark.parametrize(
    ("gold", "response", "right"),
    [
        ("red car", "<answer>Red  Car.</answer>", 1),
        ("<answer>red car</answer>", "red car", 1),
        ("red car", "a red car", 0),
        ("red car", "", 0),
        ("3.5", "3.5", 1),
        ("straße", "STRASSE", 1),
    ],
)
def test_exact_text(gold: str, response: str, right: int) -> None:
    assert accuracy("exact-text", gold, response) == right


@pytest.mark.parametrize(
    ("gold", "response", "right"),
    [
        ("kitten", "sitting", 1 - 3 / 7),
        ("kitten", "Kitten", 1),
        ("kitten", "kitten kitten", 6 / 13),
        ("abc", "xyz", 0),
        ("abc", "", 0),
        ("two  words", "<answer>two words</answer>", 1),
    ],
)
def test_fuzzy_text(gold: str, response: str, right: float) -> None:
    assert accuracy("fuzzy-text", gold, response) == pytest.approx(right)


@given(gold=st.text("abc d", min_size=1).filter(str.strip), text=st.text("abcd e", max_size=60))
@settings(max_examples=60, deadline=None)
def test_fuzzy_text_is_a_likeness(gold: str, text: str) -> None:
    got = accuracy("fuzzy-text", gold, text)
    assert got is not None
    assert 0 <= got <= 1
    assert (got == 1) == (text.split() == gold.split())


def test_a_response_without_end_is_less_like_the_gold_the_longer_it_is() -> None:
    gold = "the quick brown fox"
    got = [accuracy("fuzzy-text", gold, gold + " " + "over the lazy dog and so on, " * n + "end") for n in (1, 40, 400)]
    assert got == sorted(got, reverse=True)
    assert 0 < got[2] < 0.01  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "gold"),
    [
        ("choice", "the cat"),
        ("choice", "A cat sits"),
        ("choice", '{"objects": []}'),
        ("yes-no", "maybe"),
        ("exact-text", ""),
        ("fuzzy-text", " "),
        ("fuzzy-text", "a b" * 4000),
    ],
)
def test_a_truth_of_no_use_is_an_error_when_the_data_are_built(name: str, gold: str) -> None:
    with pytest.raises(InputError, match="ground truth"):
        check(Question(name, gold, IMAGE))
