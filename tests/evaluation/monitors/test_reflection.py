from __future__ import annotations

import pytest

from pe.evaluation.monitors.reflection import WORDS, reflection_words


def test_there_are_fifteen() -> None:
    assert len(set(WORDS)) == 15


@pytest.mark.parametrize("word", WORDS)
def test_each_is_found_as_a_word_in_any_case(word: str) -> None:
    assert reflection_words(f"Hm. {word.upper()}, and {word}.") == {word: 2}


@pytest.mark.parametrize("text", ["the waiter", "yeti", "awaits", "verified", "rechecked", "unverify", "checkagain"])
def test_a_part_of_a_word_is_none(text: str) -> None:
    assert not reflection_words(text)


def test_long_text_is_read_once() -> None:
    assert reflection_words("wait yet " * 50_000) == {"wait": 50_000, "yet": 50_000}
