from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.evaluation.metrics._duplicates import count_duplicates, distinct, extent
from pe.formats import Item

BOX = Item("cat", bbox=(10, 10, 110, 110))
NEAR = Item("cat", bbox=(10, 10, 110, 104))
FAR = Item("cat", bbox=(10, 10, 110, 80))
RING = Item("cat", rings=((10, 10, 110, 10, 110, 110, 10, 110),))


def count(*items: Item) -> int:
    return count_duplicates(items, [item.phrase for item in items])


def test_copies_of_one_box_are_all_but_one_duplicates() -> None:
    assert count() == 0
    assert count(BOX) == 0
    assert count(BOX, BOX, BOX, BOX) == 3
    assert count(BOX, NEAR) == 1
    assert count(BOX, FAR) == 0


def test_the_first_of_each_stays_in_its_place() -> None:
    items = [Item("cat", point=(5, 5)), BOX, NEAR, Item("cat", point=(6, 5)), FAR, Item("dog", bbox=BOX.bbox)]
    assert distinct(items, [item.phrase for item in items]) == [0, 1, 4, 5]


def test_another_label_is_no_duplicate() -> None:
    assert count(BOX, Item("dog", bbox=BOX.bbox)) == 0


def test_what_repeats_a_duplicate_alone_is_none() -> None:
    a, b, c = (Item("cat", bbox=(0, 0, side, 100)) for side in (100, 92, 84))
    assert count(a, b, c) == 1  # c repeats b, which does not count any more


def test_rings_go_by_their_box_and_points_by_pixels() -> None:
    assert count(BOX, RING, RING) == 2
    assert count(Item("cat", point=(5, 5)), Item("cat", point=(9, 5)), Item("cat", point=(10, 10))) == 1
    assert count(Item("cat", point=(5, 5)), Item("dog", point=(5, 5))) == 0
    assert count(Item("cat", point=(60, 60)), BOX) == 0


def test_an_extent_is_the_box_whatever_its_corners() -> None:
    assert extent(Item(bbox=(30, 40, 10, 20))) == (10, 20, 30, 40)
    assert extent(Item(rings=((0, 1, 5, 2, 3, 9), (7, 0, 8, 0, 8, 1)))) == (0, 0, 8, 9)
    assert extent(Item(point=(3, 4))) is None


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.sampled_from("ab")), max_size=8), st.integers(1, 3))
def test_repeating_an_answer_adds_just_the_copies(rows: list[tuple[int, int, int, int, str]], times: int) -> None:
    items = [Item(label, bbox=(x, y, x + w + 1, y + h + 1)) for x, y, w, h, label in rows]
    once = count(*items)
    assert 0 <= once < max(1, len(items))
    assert count(*items * (times + 1)) == once + times * len(items)


def test_a_thousand_objects_are_counted() -> None:
    assert count(*[Item("a", bbox=(i, 0, i + 1, 1)) for i in range(500)] * 2) == 500
    with pytest.raises(ValueError, match="1 objects and 0 labels"):
        count_duplicates([BOX], [])
