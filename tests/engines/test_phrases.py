from __future__ import annotations

from pathlib import Path

import pytest

from pe.engines.phrases import asked_phrases
from pe.errors import InputError, SampleError


def test_words_keep_their_order_and_lose_doubles_and_spaces() -> None:
    asked = asked_phrases(" cat, traffic  light;U.S. flag , cat,,")
    assert asked is not None
    assert asked({}) == ["cat", "traffic light", "U.S. flag"]
    assert asked_phrases("") is None


def test_a_file_has_one_phrase_a_line(tmp_path: Path) -> None:
    path = tmp_path / "phrases.txt"
    path.write_text("\ufeffcat\n\n# animals\ndog, brown  # with a comma\n", encoding="utf-8")
    for word in (str(path), f"@{path}"):
        asked = asked_phrases(word)
        assert asked is not None
        assert asked({}) == ["cat", "dog, brown"]


@pytest.mark.parametrize("word", ["absent.txt", "@absent", ", ;"])
def test_nothing_to_ask_is_one_clear_error(word: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read|names no phrase"):
        asked_phrases(word)


def test_a_field_of_the_record_asks_for_each_picture() -> None:
    asked = asked_phrases("field:tags")
    assert asked is not None
    assert asked({"tags": "cat, dog"}) == ["cat", "dog"]
    assert asked({"tags": ["a, b", " c "]}) == ["a, b", "c"]
    for fields in ({}, {"tags": 3}, {"tags": [1]}):
        with pytest.raises(SampleError) as caught:
            asked(fields)
        assert caught.value.reason == "phrases"
