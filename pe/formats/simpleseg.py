"""SimpleSeg: nested lists of fractions; a point, a box or the parts of a polygon."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._json import Cut, Table, is_closed, read_values
from pe.formats._reading import Kind, Reading
from pe.formats._words import says_none, unwrap

__all__ = ["SimpleSeg"]


class SimpleSeg(Format):
    """songtianhui/SimpleSeg, arXiv 2601.19228. Numbers as Python prints them (0.25), as its data.py does.

    The depth tells the shape: [x, y] is a point, [x0, y0, x1, y1] a box, [[x, y], ...] a polygon, and
    [[[x, y], ...], ...] the parts of one. Polygons are written as parts. Several objects stand side by side. Words
    around them are passed over.
    """

    grammar = (
        "[x, y] | [x0, y0, x1, y1] | [[x, y], ...] | [[[x, y], ...], ...], several separated by commas; [] for none"
    )
    coordinates = "fractions 0..1 of each side, three decimals"
    rounding = "nearest, halves up"
    writes = frozenset({"bbox", "point", "rings"})
    named = False
    parts = True
    _grid: ClassVar[Grid] = Grid(1000)

    def _write(self, answer: Answer, frame: Frame) -> str:
        return ", ".join(self._object(item, frame) for item in answer.objects) or "[]"

    def _object(self, item: Item, frame: Frame) -> str:
        if item.rings is None:
            return (
                "[" + ", ".join(self._fraction(value, index, frame) for index, value in enumerate(item.numbers())) + "]"
            )
        return "[" + ", ".join(self._ring(ring, frame) for ring in item.rings) + "]"

    def _ring(self, ring: tuple[float, ...], frame: Frame) -> str:
        numbers = [self._fraction(value, index, frame) for index, value in enumerate(ring)]
        return "[" + ", ".join(f"[{x}, {y}]" for x, y in zip(numbers[::2], numbers[1::2], strict=True)) + "]"

    def _fraction(self, value: float, index: int, frame: Frame) -> str:
        return self._digits(self._grid.write(value, frame.side(index)) / 1000)

    def _digits(self, fraction: float) -> str:
        return repr(fraction)

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        for value in read_values(body):
            before = len(reading.items), reading.begun
            self._read_node(value.node, frame, reading)
            if (len(reading.items), reading.begun) != before:
                for repair in value.repairs:
                    reading.repair(repair)
        if not reading.begun:
            reading.none = says_none(body)

    def _read_node(self, node: list[Any], frame: Frame, reading: Reading) -> None:
        numbers = _numbers(node)
        if numbers is not None:
            if numbers:
                self._add("bbox" if len(numbers) > 2 else "point", numbers, is_closed(node), frame, reading)
            return
        ring = _ring(node)
        if ring is not None:
            self._add("rings", ring, is_closed(node) and len(ring) == 2 * len(node), frame, reading)
            return
        inner = [value for value in node if isinstance(value, list) and not isinstance(value, Table)]
        rings = [(_ring(value), is_closed(value)) for value in inner]
        if rings and all(ring is not None for ring, _ in rings):
            self._add_parts([(ring or [], closed) for ring, closed in rings], is_closed(node), frame, reading)
            return
        for value in inner:
            self._read_node(value, frame, reading)

    def _add_parts(self, rings: list[tuple[list[float], bool]], closed: bool, frame: Frame, reading: Reading) -> None:
        reading.begun = True
        whole = [tuple(ring) for ring, ended in rings if ended and len(ring) >= 6]
        if not closed:
            reading.cut()
        elif len(whole) < len(rings):
            reading.repair("a part of fewer than three vertices was dropped")
        parts = [self._pixels(ring, frame) for ring in whole]
        if any(part is None for part in parts):
            reading.repair("an object off the grid was dropped")
        elif parts:
            reading.items.append(Item(rings=tuple(tuple(part) for part in parts if part)))

    def _add(self, kind: Kind, numbers: list[float], closed: bool, frame: Frame, reading: Reading) -> None:
        reading.begun = True
        pixels = self._pixels(numbers, frame)
        if not closed:
            reading.cut()
        elif pixels is None:
            reading.degenerate |= not all(map(math.isfinite, numbers))
            reading.repair("an object off the grid was dropped")
        else:
            reading.add(kind, pixels)

    def _pixels(self, numbers: Any, frame: Frame) -> list[float] | None:
        if not all(-0.001 <= number <= 1.001 for number in numbers):
            return None
        return [min(max(number, 0.0), 1.0) * frame.side(index) for index, number in enumerate(numbers)]

    def _step(self, frame: Frame) -> tuple[float, float]:
        return self._grid.step(frame.image[0]), self._grid.step(frame.image[1])


def _numbers(node: list[Any]) -> list[float] | None:
    """The numbers of a list of nothing but numbers, or of one that is cut in its last; None for any other."""
    if isinstance(node, Table):
        return None
    numbers = [value for value in node if isinstance(value, int | float) and not isinstance(value, bool)]
    return numbers if len(numbers) == sum(not isinstance(value, Cut) for value in node) else None


def _ring(node: list[Any]) -> list[float] | None:
    """The whole vertices of a list of pairs; None where it is no such list."""
    if isinstance(node, Table) or not node:
        return None
    ring: list[float] = []
    for value in node:
        pair = _numbers(value) if isinstance(value, list) else None
        if pair is None or len(pair) > 2 or (is_closed(value) and len(pair) != 2):
            return None
        if is_closed(value):
            ring.extend(pair)
    return ring
