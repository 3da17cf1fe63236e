"""Molmo: points in XML, in per cent of the sides with one decimal."""

from __future__ import annotations

import html
from collections.abc import Iterable
from itertools import groupby

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._points import read_points
from pe.formats._reading import Reading
from pe.formats._words import unwrap

__all__ = ["Molmo"]

_GRID = Grid(1000)
NONE = "There are none."


class Molmo(Format):
    """allenai/molmo, arXiv 2409.17146. Points of one phrase in a row share a tag."""

    grammar = (
        '<point x="X" y="Y" alt="PHRASE">PHRASE</point> | <points x1= y1= x2= y2= ... alt=>PHRASE</points> | ' + NONE
    )
    coordinates = "0.0..100.0 per cent of each side"
    rounding = "nearest tenth of a per cent, halves up"
    writes = frozenset({"point"})

    def _write(self, answer: Answer, frame: Frame) -> str:
        runs = groupby(answer.objects, key=lambda item: item.phrase)
        return " ".join(_tag(phrase, items, frame) for phrase, items in runs) or NONE

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        read_points(unwrap(text, reading), 100, frame, reading)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])


def _tag(phrase: str, items: Iterable[Item], frame: Frame) -> str:
    points = [
        [_GRID.write(value, frame.side(index)) / 10 for index, value in enumerate(item.numbers())] for item in items
    ]
    name, shown = html.escape(phrase), html.escape(phrase, quote=False)
    if len(points) == 1:
        return f'<point x="{points[0][0]:.1f}" y="{points[0][1]:.1f}" alt="{name}">{shown}</point>'
    places = " ".join(f'x{number}="{x:.1f}" y{number}="{y:.1f}"' for number, (x, y) in enumerate(points, 1))
    return f'<points {places} alt="{name}">{shown}</points>'
