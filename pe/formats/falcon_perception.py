"""Falcon Perception: centre, then size, on 1024 bins each."""

from __future__ import annotations

import re

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Reading
from pe.formats._words import says_none, unwrap

__all__ = ["FalconPerception"]

_GRID = Grid(1023)
_OBJECT = re.compile(
    r"<\|coord\|>(?:\s?<(\d{1,4})>\s?<(\d{1,4})>(?:\s?<\|size\|>\s?<(\d{1,4})>\s?<(\d{1,4})>(\s?<\|seg\|>)?)?)?"
)


class FalconPerception(Format):
    """tiiuae/Falcon-Perception, arXiv 2603.27365; the numbers come out of two heads of the model, not of its text.

    This is a written form of them: after each of its tokens the two bins that a head decodes. <|seg|>, whose mask needs
    the model, ends an object and is passed over. The phrase is the query and does not stand in the answer.
    """

    grammar = "<|coord|><cx><cy><|size|><w><h><|seg|>... | None"
    coordinates = "bins <0>..<1023>, v/1023 of each side: centre, then size"
    rounding = "nearest, halves up, centre and size; an edge is off by up to 3/4 of a bin"
    writes = frozenset({"bbox"})
    named = False

    def _write(self, answer: Answer, frame: Frame) -> str:
        return "".join(_tokens(item, frame) for item in answer.objects) or "None"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        matches = list(_OBJECT.finditer(body))
        for match in matches:
            reading.begun = True
            bins = [int(number) for number in match.groups()[:4] if number]
            if len(bins) < 4:
                reading.cut() if match is matches[-1] else reading.repair("an object without a size was dropped")
            elif max(bins) > _GRID.top:
                reading.repair("an object off the grid was dropped")
            else:
                cx, cy, w, h = (_GRID.read(number, frame.side(index)) for index, number in enumerate(bins))
                box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                reading.add("bbox", [min(max(value, 0), frame.side(index)) for index, value in enumerate(box)])
        if not reading.begun:
            reading.none = says_none(body)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return 1.5 * _GRID.step(frame.image[0]), 1.5 * _GRID.step(frame.image[1])


def _tokens(item: Item, frame: Frame) -> str:
    x0, y0, x1, y1 = (min(max(value, 0.0), frame.side(index)) for index, value in enumerate(item.numbers()))
    cx, cy = _GRID.write((x0 + x1) / 2, frame.image[0]), _GRID.write((y0 + y1) / 2, frame.image[1])
    w, h = _GRID.write(x1 - x0, frame.image[0]), _GRID.write(y1 - y0, frame.image[1])
    return f"<|coord|><{cx}><{cy}><|size|><{w}><{h}><|seg|>"
