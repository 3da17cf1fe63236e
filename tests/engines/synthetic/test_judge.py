"""What is too close to call is not called."""

from __future__ import annotations

import numpy as np
import pytest

from pe.engines.synthetic.forms import All, Except, Form, Lacking, Most, Noun, Plain, Ranked, Related
from pe.engines.synthetic.judge import View, meant, view
from pe.engines.synthetic.scene import WORLDS, Thing, draw_scene, scene_rng

RING, KEY, RED = Noun(shape="ring"), Noun(shape="key"), Noun(colour="red")


def _view(*things: tuple[str, float, float, float], over: tuple[tuple[int, int, int], ...] = ()) -> View:
    """Things of (look, x, y, half): "red ring" at x, y; `over` says how many pixels of one lie on another."""
    drawn, boxes = [], []
    for look, x, y, half in things:
        colour, shape = look.split()
        drawn.append(Thing(shape, colour, "plain", "small", (x, y), half, 0.0))
        boxes.append((x - half, y - half, x + half, y + half))
    count = len(drawn)
    table, shared = np.zeros((2, count, count), np.int64)
    for i, j, pixels in over:
        table[i, j] = shared[i, j] = shared[j, i] = pixels
    array = np.array(boxes, float)
    areas = (array[:, 2] - array[:, 0]) ** 2
    return View(tuple(drawn), array, areas, table, shared)


ROW = _view(("red ring", 20, 20, 10), ("red ring", 25, 80, 10.5), ("blue ring", 60, 50, 15), ("red key", 110, 50, 10))


@pytest.mark.parametrize(
    ("form", "targets"),
    [
        (Plain(RING), (0, 1, 2)),
        (Plain(Noun(shape="moon")), ()),
        (All(RING), (0, 1, 2)),
        (All(KEY), None),
        (All(RING, 3), (0, 1, 2)),
        (All(RING, 2), ()),
        (Lacking(RING, "red", many=False), (2,)),
        (Lacking(RING, "blue", many=False), None),
        (Lacking(RING, "blue", many=True), (0, 1)),
        (Lacking(KEY, "red", many=False), ()),
        (Except(RING, many=True), (3,)),
        (Except(RED, many=True), (2,)),
        (Except(Noun(shape="moon"), many=True), None),
        (Ranked(RING, 2, "left"), None),
        (Ranked(RING, 2, "top"), (1,)),
        (Ranked(RING, 3, "top"), ()),
        (Ranked(KEY, 0, "top"), None),
        (Most(RING, "largest"), (2,)),
        (Most(RING, "smallest"), None),
        (Most(RING, "leftmost"), None),
        (Most(RING, "topmost"), (0,)),
        (Most(KEY, "largest"), None),
        (Most(Noun(shape="moon"), "largest"), ()),
        (Related(Noun(colour="blue"), "left of", KEY), (2,)),
        (Related(Noun(colour="blue"), "right of", KEY), ()),
        (Related(Noun(colour="blue"), "above", KEY), None),
        (Related(RING, "left of", KEY), None),
        (Related(KEY, "left of", RING), None),
        (Related(KEY, "left of", Noun(shape="moon")), ()),
        (Related(KEY, "left of", KEY), None),
        (Related(RING, "nearest to", KEY), (2,)),
        (Related(RED, "nearest to", Noun(colour="blue")), None),
        (Related(KEY, "next to", Noun(colour="blue")), ()),
    ],
)
def test_meant(form: Form, targets: tuple[int, ...] | None) -> None:
    assert meant(form, ROW) == targets


@pytest.mark.parametrize(
    ("pixels", "front", "behind", "overlapping"), [(30, (1,), (), (1,)), (10, None, None, None), (0, None, None, None)]
)
def test_only_an_overlap_that_can_be_seen_decides_who_is_in_front(
    pixels: int, front: tuple[int, ...] | None, behind: tuple[int, ...] | None, overlapping: tuple[int, ...] | None
) -> None:
    seen = _view(("red ring", 20, 20, 10), ("red key", 30, 20, 10), over=((1, 0, pixels),))
    assert meant(Related(KEY, "in front of", RING), seen) == front
    assert meant(Related(KEY, "behind", RING), seen) == behind
    assert meant(Related(KEY, "overlapping", RING), seen) == overlapping


@pytest.mark.parametrize(("gap", "targets"), [(4, (1,)), (14, None), (24, ())])
def test_next_to_has_a_margin(gap: float, targets: tuple[int, ...] | None) -> None:
    seen = _view(("red ring", 20, 20, 10), ("red key", 40 + gap, 20, 10))
    assert meant(Related(KEY, "next to", RING), seen) == targets


def test_a_view_counts_what_is_seen() -> None:
    found = 0
    for index in range(20):
        scene = draw_scene(WORLDS["language"], scene_rng(0, "train", index), "train")
        seen = view(scene)
        assert (seen.shared == seen.shared.T).all()
        assert (seen.over <= seen.shared).all()
        assert not np.triu(seen.over).any()
        assert [int(area) for area in seen.areas] == [scene.mask(i).sum() for i in range(len(scene.things))]
        found += int((seen.over > 0).sum())
    assert found > 5
