"""The common part of the formats that write JSON, or Python literals, in pixels or per mille."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from pe.formats._answer import Answer, Item, Shape
from pe.formats._base import Format
from pe.formats._found import are_fractions, find_shapes
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Reading
from pe.formats._words import think_answer, unwrap

THOUSAND = Grid(1000)
# json.dumps makes an encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_grid = lru_cache(maxsize=1024)(Grid)
_OVERSHOOT = 1.02


class JsonFormat(Format):
    """A list of {"bbox_2d": [x0, y0, x1, y1], "label": ...} and {"point_2d": [x, y], "label": ...}.

    `units`: whole "pixels" of what the model sees, or "thousandths" of the stored image. `python`: single quotes.
    `fenced`: in a ```json fence. `thinks`: in think and answer tags. `none`: what stands for an empty list. `y_first`:
    the text has y before x.
    """

    writes: ClassVar[frozenset[Shape]] = frozenset({"bbox", "point"})
    units: ClassVar[Literal["pixels", "thousandths"]]
    python: ClassVar[bool] = False
    fenced: ClassVar[bool] = True
    thinks: ClassVar[bool] = False
    none: ClassVar[str] = ""
    y_first: ClassVar[bool] = False

    def _write(self, answer: Answer, frame: Frame) -> str:
        body = self._list([self._row(item, frame) for item in answer.objects])
        if self.none and not answer.objects:
            body = self.none
        elif self.fenced:
            body = f"```json\n{body}\n```"
        return think_answer(answer.thought, body) if self.thinks else body

    def _list(self, rows: list[dict[str, Any]]) -> str:
        if self.python:
            return repr(rows)
        lines = ",\n".join("\t" + _encode(row) for row in rows)
        return f"[\n{lines}\n]" if rows else "[]"

    def _row(self, item: Item, frame: Frame) -> dict[str, Any]:
        numbers = [self._number(value, index, frame) for index, value in enumerate(item.numbers())]
        key = "bbox_2d" if item.shape == "bbox" else "point_2d"
        return {key: numbers, "label": item.phrase} if item.phrase else {key: numbers}

    def _number(self, value: float, index: int, frame: Frame) -> int:
        side = frame.side(index)
        if self.units == "thousandths":
            return THOUSAND.write(value, side)
        return _grid(frame.shown_side(index)).write(value, side)

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        self._read_body(unwrap(text, reading), frame, reading)

    def _read_body(self, body: str, frame: Frame, reading: Reading) -> None:
        found = find_shapes(body, reading)
        fractions = are_fractions(found)
        if fractions:
            reading.note("read as fractions of the sides")
        for shape in found:
            numbers = shape.numbers or []
            if self.y_first:
                numbers = [number for pair in zip(numbers[1::2], numbers[::2], strict=False) for number in pair]
            pixels = self._pixels(numbers, frame, fractions, reading)
            if pixels is not None:
                reading.add(shape.kind, pixels, shape.phrase, score=shape.score)

    def _pixels(self, numbers: Sequence[float], frame: Frame, fractions: bool, reading: Reading) -> list[float] | None:
        """`numbers` as pixels of the stored image, or None for an object that is not in it."""
        pixels = []
        thousandths = self.units == "thousandths"
        sides, tops = frame.image, (1, 1) if fractions else (1000, 1000) if thousandths else frame.shown
        for index, number in enumerate(numbers):
            side, top = sides[index % 2], tops[index % 2]
            if thousandths and not -0.02 * top <= number <= _OVERSHOOT * top:
                reading.repair("an object off the grid was dropped")
                return None
            if not math.isfinite(number):
                reading.repair("an object without finite coordinates was dropped")
                return None
            if not 0 <= number <= top:
                reading.note("coordinates outside the image were put on its border")
                number = min(max(number, 0), top)
            pixels.append(number * side / top)
        return pixels

    def _step(self, frame: Frame) -> tuple[float, float]:
        if self.units == "thousandths":
            return THOUSAND.step(frame.image[0]), THOUSAND.step(frame.image[1])
        return frame.image[0] / frame.shown[0], frame.image[1] / frame.shown[1]
