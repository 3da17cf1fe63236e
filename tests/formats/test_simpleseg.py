from __future__ import annotations

import pytest

from pe.formats import Answer, Decoded, Item
from pe.registry import load

SIZE = (80, 60)
RECT = (20.0, 10.0, 60.0, 10.0, 60.0, 40.0, 20.0, 40.0)
PARTS = Item(rings=(RECT, (0.0, 0.0, 8.0, 0.0, 8.0, 6.0)))


def read(text: str, name: str = "simpleseg") -> Decoded:
    decoded: Decoded = load("formats", name)().decode(text, SIZE)
    return decoded


def test_both_dialects() -> None:
    answer = Answer((Item(rings=(RECT,)),))
    assert (
        load("formats", "simpleseg")().encode(answer, SIZE)
        == "[[[0.25, 0.167], [0.75, 0.167], [0.75, 0.667], [0.25, 0.667]]]"
    )
    fixed = load("formats", "simpleseg-fixed")().encode(answer, SIZE)
    assert fixed == "[[[0.250, 0.167], [0.750, 0.167], [0.750, 0.667], [0.250, 0.667]]]"
    assert read(fixed).objects == read(fixed, "simpleseg-fixed").objects


def test_the_depth_tells_the_shape_and_objects_stand_side_by_side() -> None:
    items = (Item(point=(8.0, 6.0)), Item(bbox=(0.0, 0.0, 80.0, 60.0)), PARTS)
    text = load("formats", "simpleseg")().encode(Answer(items), SIZE)
    assert text.startswith("[0.1, 0.1], [0.0, 0.0, 1.0, 1.0], [[[0.25, 0.167]")
    assert [(item.shape, len(item.rings or ())) for item in read(text).objects] == [
        ("point", 0),
        ("bbox", 0),
        ("rings", 2),
    ]
    assert read("[[0, 0], [0, 1], [1, 1]]").objects == (Item(rings=((0, 0, 0, 60, 80, 60),)),)


@pytest.mark.parametrize(
    "text", ["It is at [[[0, 0], [0, 1], [1, 1]]].", "Sure, you can find it at [[[0, 0], [0, 1], [1, 1]]]."]
)
def test_words_around_are_passed_over(text: str) -> None:
    assert (len(read(text).objects), read(text).status) == (1, "ok")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[[[0.1, 0.1], [0.1, 0.9], [0.9, 0.9], [0.9, 0.", 0),
        ("[[0.1, 0.1], [0.1, 0.9], [0.9, 0.9]", 0),
        ("[0.1, 0.2, 0.3", 0),
        ("[0.1, 0.2", 0),
        ("[0.1, 0.2], [0.3, 0.4", 1),
        ("[[[0.1, 0.1], [0.1, 0.9], [0.9, 0.9]]], [[[0.5, 0.5], [0.6", 1),
    ],
)
def test_what_is_cut_short_is_no_other_shape(text: str, count: int) -> None:
    assert (read(text).status, len(read(text).objects)) == ("truncated", count)


def test_slivers_and_numbers_off_the_image_are_dropped() -> None:
    assert read("[[[0.1, 0.1], [0.1, 0.9], [0.9, 0.9]], [[0.5, 0.5], [0.6, 0.6]]]").status == "repaired"
    assert (read("[[0.1, 0.2]]").status, read("[0.1, 7]").status) == ("unparsable", "unparsable")
    assert read("[]").status == "none-present"


def test_compat_sees_only_whole_polygons() -> None:
    assert not read("[0.1, 0.2, 0.5, 0.6]", "simpleseg-compat").objects
    assert not read("[[-0.1, 0.1], [0.1, 0.9], [0.9, 0.9]]", "simpleseg-compat").objects
    assert len(read("[[[0.1, 0.1], [0.1, 0.9], [0.9, 0.9]], [[0.5, 0.5", "simpleseg-compat").objects) == 1
    even = load("formats", "simpleseg-compat")().encode(Answer((Item(rings=((5.0, 5, 9, 5, 9, 9),)),)), SIZE)
    assert even.startswith("[[[0.062,")
