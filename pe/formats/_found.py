"""The shapes of a JSON-like answer, with what had to be mended told to the reading."""

from __future__ import annotations

import math
import re
from itertools import islice

from pe.formats._json import is_closed, read_values
from pe.formats._objects import Found, has_repeats, shapes
from pe.formats._reading import MAX_OBJECTS, Reading
from pe.formats._words import says_none

_LONGEST = 8_000
_N = r"\s{0,8}(-?\d{1,9}(?:\.\d{0,9})?)\s{0,8}"
_FOUR = re.compile(rf"\s{{0,8}}{_N},{_N},{_N},{_N}\.?\s{{0,8}}")
_TUPLE = re.compile(rf"\({_N},{_N}(?:,{_N},{_N})?\)")


def find_shapes(body: str, reading: Reading) -> list[Found]:
    """The whole shapes of `body` in order, in the text's own units; the others are noted in `reading` and left out.

    Named shapes ("bbox_2d": ...) hide bare lists of numbers. A table that was cut before its label counts as cut where
    the others have labels. Without any shape, an empty list or a word for it makes `reading.none`.
    """
    found: list[Found] = []
    values = read_values(body)
    for value in values:
        here = list(islice(shapes(value.node), MAX_OBJECTS + 1 - len(found)))
        if not here:
            continue
        found.extend(here)
        for note in value.notes:
            reading.note(note)
        for repair in value.repairs:
            reading.repair(repair)
        if has_repeats(value.node):
            reading.repair("repeated keys are one object each")
        if not is_closed(value.node):
            reading.cut()
    if not found:
        found = _tuples(body)
    if any(shape.keyed for shape in found):
        found = [shape for shape in found if shape.keyed]
    if not found:
        empty = (
            bool(values) and not any(value.node for value in values) and all(is_closed(value.node) for value in values)
        )
        reading.none = empty or says_none(body)
        return []
    labelled = any(shape.phrase for shape in found)
    whole = []
    for shape in found:
        reading.begun = True
        if shape.numbers is not None and not all(map(math.isfinite, shape.numbers)):
            reading.degenerate = True
        if shape.numbers is None or (shape.cut and labelled and not shape.phrase):
            reading.cut() if reading.truncated else reading.repair("an object without coordinates was dropped")
        else:
            whole.append(shape)
    return whole


def _tuples(body: str) -> list[Found]:
    """Numbers in round brackets, or nothing but four numbers: (x0, y0, x1, y1), (x0, y0), (x1, y1), (x, y)."""
    if match := _FOUR.fullmatch(body):
        return [Found("bbox", [float(number) for number in match.groups()], keyed=False)]
    rows = [[float(number) for number in match.groups() if number] for match in _TUPLE.finditer(body[:_LONGEST])]
    if len(rows) == 2 and all(len(row) == 2 for row in rows):
        rows = [rows[0] + rows[1]]
    return [Found("bbox" if len(row) == 4 else "point", row, keyed=False) for row in rows]


def are_fractions(found: list[Found]) -> bool:
    """Whether all numbers are fractions of a side: none above 1, and some are not whole."""
    numbers = [number for shape in found for number in shape.numbers or ()]
    return bool(numbers) and all(0 <= number <= 1 for number in numbers) and any(number % 1 for number in numbers)
