"""Molmo, Molmo2, Qwen3-VL's points."""

from __future__ import annotations

import pytest

from pe.formats import Answer, Decoded, Item
from pe.registry import load

SIZE = (1000, 500)


def read(text: str, name: str = "molmo") -> Decoded:
    decoded: Decoded = load("formats", name)().decode(text, SIZE)
    return decoded


def test_golden_strings() -> None:
    points = (Item("cats", point=(635, 222.5)), Item("cats", point=(10, 500)), Item('a "dog"', point=(0, 0)))
    assert load("formats", "molmo")().encode(Answer(points), SIZE) == (
        '<points x1="63.5" y1="44.5" x2="1.0" y2="100.0" alt="cats">cats</points> '
        '<point x="0.0" y="0.0" alt="a &quot;dog&quot;">a "dog"</point>'
    )
    assert load("formats", "molmo2")().encode(Answer(points), SIZE) == (
        '<points coords="1 1 635 445 2 010 1000">cats</points> <points coords="1 1 000 000">a "dog"</points>'
    )
    assert load("formats", "molmo2")().encode(Answer(), SIZE) == "There are none."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "molmo",
            'Counting the <points x1="1.5" y1="2.5" x2="3.0" y2="4" alt="cats">cats</points> shows a total of 2.',
        ),
        ("molmo", " <points x1='1.5' y1='2.5' x2='3.0' y2='4' alt='cats'/>"),
        ("molmo2", 'Counting the <points coords="1 1 015 025 2 030 040" alt="x">cats</points> shows a total of 2.'),
        ("qwen3-vl", '<points x1="15" y1="25" x2="30" y2="40" alt="cats">cats</points>'),
    ],
)
def test_points_are_read(name: str, text: str) -> None:
    decoded = read(text, name)
    assert [(item.phrase, item.point) for item in decoded.objects] == [("cats", (15, 12.5)), ("cats", (30, 20))]
    assert decoded.status == "ok"


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("molmo", '<points x1="1.5" y1="2.5" x2="3.0" y2="4.', 1),
        ("molmo", '<points x1="1.5" y1="2.', 0),
        ("molmo", '<point x="1.5" y="2.5" alt="a ca', 1),
        ("molmo2", '<points coords="1 1 015 025 2 030 04', 1),
        ("molmo2", '<points coords="1 1 015 025 2 030', 1),
        ("molmo2", '<points coords="1 1 015 02', 0),
    ],
)
def test_what_is_cut_short_is_truncated(name: str, text: str, count: int) -> None:
    assert (read(text, name).status, len(read(text, name).objects)) == ("truncated", count)


def test_off_the_grid_and_nothing() -> None:
    assert read('<point x="150" y="20" alt="a">a</point>').status == "unparsable"
    assert read('<points coords="1 1 015 1025">a</points>', "molmo2").status == "unparsable"
    assert read("This isn't in the image.").status == "none-present"
    assert read("A cat.").status == "unparsable"


def test_points_of_frames_are_put_together_and_said() -> None:
    decoded = read('<points coords="1 1 155 104;2 1 885 104">a</points>', "molmo2")
    assert len(decoded.objects) == 2
    assert decoded.notes == ("points of several images or frames were put together",)
