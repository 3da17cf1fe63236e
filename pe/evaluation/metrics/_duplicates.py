"""Objects of one answer that say the same thing again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pe.formats import Item
from pe.geometry.boxes import Boxes, as_boxes, iou

SAME_BOX = 0.9
SAME_POINT = 5.0


def extent(item: Item) -> tuple[float, float, float, float] | None:
    """The box of an object's box or rings, None of a point."""
    if item.bbox is not None:
        x0, y0, x1, y1 = item.bbox
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    if item.rings is None:
        return None
    numbers = [number for ring in item.rings for number in ring]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def count_duplicates(items: Sequence[Item], labels: Sequence[str]) -> int:
    """How many of `items` repeat an earlier one of the same label that is no repetition itself.

    Two boxes, or the boxes of two objects' rings, are the same from IoU 0.9 on (Rex-Omni, arXiv 2510.12798, whose
    measure divides pairs by objects: four copies are 1.5 there and 3 of 4 here), two points closer than 5 px (PointRL).
    """
    return len(items) - len(distinct(items, labels))


def distinct(items: Sequence[Item], labels: Sequence[str]) -> list[int]:
    """The indices of the `items` that repeat no earlier one, by the rule of `count_duplicates`."""
    if len(items) != len(labels):
        raise ValueError(f"{len(items)} objects and {len(labels)} labels")
    boxes, points = (
        [index for index, item in enumerate(items) if (item.point is None) is kind] for kind in (True, False)
    )
    corners = as_boxes([box for index in boxes if (box := extent(items[index])) is not None])
    spots = np.array([items[index].point for index in points], np.float64).reshape(-1, 2)
    kept = [boxes[row] for row in _first(corners, [labels[index] for index in boxes], box=True)]
    return sorted(kept + [points[row] for row in _first(spots, [labels[index] for index in points], box=False)])


def _first(rows: Boxes, labels: Sequence[str], *, box: bool) -> list[int]:
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)
    kept: list[int] = []
    for index, row in enumerate(rows):
        before = np.array(kept, np.int64)[group[kept] == group[index]]
        if box:
            same = iou(row, rows[before])[0] >= SAME_BOX
        else:
            same = np.hypot(*(rows[before] - row).T) < SAME_POINT
        if not same.any():
            kept.append(index)
    return kept
