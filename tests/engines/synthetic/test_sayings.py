"""What is written, and which words are kept for their own split."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pe.engines.synthetic.looks import Split
from pe.engines.synthetic.sayings import WORDS, is_kept_out, saying

_FORMS = {
    "number": r"\d{1,5}",
    "price": r"\$?\d{1,2}\.\d\d",
    "code": r"[A-Z]{1,3}[- ]?\d{2,4}",
    "date": r"\d{4}-\d\d-\d\d|\d\d/\d\d/\d\d|\d{1,2} [A-Z]{3} \d{4}",
}


def _sayings(split: Split) -> list[str]:
    rng = np.random.default_rng(1)
    return [saying(rng, split) for _ in range(2000)]


def test_the_list_has_no_word_twice_and_a_tenth_is_kept_out() -> None:
    assert len(WORDS) >= 300
    assert len(set(WORDS)) == len(WORDS)
    assert all(re.fullmatch("[a-z]{3,}|[a-z]{2}", word) for word in WORDS)
    assert 0.07 < sum(map(is_kept_out, WORDS)) / len(WORDS) < 0.13
    assert [
        word for word in ("able", "about", "above", "acorn") if is_kept_out(word.upper()) != is_kept_out(word)
    ] == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_everything_but_kept_out_words_is_written(split: Split) -> None:
    said = _sayings(split)
    for pattern in _FORMS.values():
        assert sum(bool(re.fullmatch(pattern, text)) for text in said) > 100
    spoken = [word for text in said if re.fullmatch("[A-Za-z ]+", text) for word in text.lower().split()]
    assert len(spoken) > 1000
    assert set(spoken) <= set(WORDS)
    assert not any(is_kept_out(word) for word in spoken)
    assert all(text == " ".join(text.split()) and text.isascii() for text in said)


def test_kept_out_words_are_alone_in_their_split() -> None:
    words = {word for text in _sayings("kept_out") for word in text.lower().split()}
    assert words == {word for word in WORDS if is_kept_out(word)}
