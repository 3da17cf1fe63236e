"""DeepSeek-VL2: phrases between reference tags, lists of boxes between detection tags, 0..999."""

from __future__ import annotations

import re

from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._json import is_closed, read_values
from pe.formats._objects import shapes
from pe.formats._reading import Reading
from pe.formats._words import says_none, strip_end

__all__ = ["DeepSeekVL2"]

_GRID = Grid(999)
_DET = re.compile(r"<\|ref\|>([^<]*+)<\|/ref\|>\s{0,8}<\|det\|>")
_END = "<|/det|>"


class DeepSeekVL2(Format):
    """deepseek-ai/DeepSeek-VL2, arXiv 2412.10302. Read only."""

    grammar = f"<|ref|>PHRASE<|/ref|><|det|>[[x0, y0, x1, y1], ...]{_END}"
    coordinates = "0..999, v/999 of each side"
    rounding = "read only"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = strip_end(text)
        matches = list(_DET.finditer(body))
        ends = [*(match.start() for match in matches[1:]), len(body)]
        for match, end in zip(matches, ends, strict=False):
            inside, closed, _ = body[match.end() : end].partition(_END)
            reading.begun = True
            if not closed:
                reading.cut()
            for value in read_values(inside):
                if not is_closed(value.node):
                    reading.cut()
                for found in shapes(value.node):
                    numbers = found.numbers
                    if numbers is None:
                        reading.cut()
                    elif len(numbers) != 4 or not all(0 <= number <= _GRID.top for number in numbers):
                        reading.degenerate = True
                        reading.repair("an object off the grid was dropped")
                    else:
                        pixels = [_GRID.read(number, frame.side(index)) for index, number in enumerate(numbers)]
                        reading.add("bbox", pixels, match[1].strip())
        if not matches:
            reading.none = says_none(body)
