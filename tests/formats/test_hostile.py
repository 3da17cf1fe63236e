"""No text makes a decoder fail, and twice the text is at most about twice the work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.formats import Format
from pe.formats._json import MAX_WORK, Reader
from pe.registry import load, names
from tests.formats.attacks import PIECES, attacks

FRAGMENTS = st.sampled_from(PIECES) | st.text(max_size=4) | st.integers(0, 10**40).map(str)


@pytest.mark.parametrize("name", names("formats"))
def test_no_attack_is_an_exception(name: str) -> None:
    form: Format = load("formats", name)()
    for _, text in attacks(600):
        form.decode(text, (640, 480))


@pytest.mark.parametrize("name", names("formats"))
def test_64_kb_of_one_piece_is_read(name: str) -> None:
    form: Format = load("formats", name)()
    for piece in PIECES:
        decoded = form.decode(piece * (65536 // len(piece)), (640, 480))
        assert len(decoded.objects) <= 1000


@pytest.mark.parametrize("name", names("formats"))
@given(parts=st.lists(FRAGMENTS, max_size=30))
@settings(max_examples=40, deadline=None)
def test_no_mixture_is_an_exception(name: str, parts: list[str]) -> None:
    decoded = load("formats", name)().decode("".join(parts), (640, 480), (280, 196))
    for item in decoded.objects:
        assert all(abs(number) < 1e15 for number in item.numbers())


def calls(work: Callable[[], Any]) -> int:
    """How many functions, Python's and C's, `work` calls."""
    count = 0

    def seen(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", names("formats"))
def test_twice_the_text_is_at_most_twice_the_calls(name: str) -> None:
    form: Format = load("formats", name)()
    for piece in PIECES:
        short, long = (piece * (size // len(piece)) for size in (1500, 3000))
        before, after = (calls(lambda text=text: form.decode(text, (640, 480))) for text in (short, long))
        assert after <= 2.2 * before + 200, repr(piece)


@pytest.mark.parametrize("text", [text for _, text in attacks(65536)][::7])
def test_the_json_reader_keeps_to_its_budget(text: str) -> None:
    reader = Reader(text)
    reader.values()
    assert reader.work <= MAX_WORK + 2
