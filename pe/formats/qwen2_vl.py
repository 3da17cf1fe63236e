"""Qwen2-VL: boxes, quads and points in its native tokens, 0..1000."""

from __future__ import annotations

import re
from itertools import groupby

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Kind, Reading
from pe.formats._tagged import BOX, BOX_END, QUAD, QUAD_END, REF, REF_END, spans
from pe.formats._words import says_none, unwrap

__all__ = ["Qwen2VL"]

_GRID = Grid(1000)
_PAIR = re.compile(r"\(\s*+(-?\d{1,9})(?:\.\d*+)?\s*+,\s*+(-?\d{1,9})(?:\.\d*+)?\s*+\)")


class Qwen2VL(Format):
    """QwenLM/Qwen2-VL, arXiv 2409.12191; one phrase may be followed by several boxes."""

    grammar = (
        f"[{REF}PHRASE{REF_END}]{BOX}(x0,y0),(x1,y1){BOX_END} | {BOX}(x,y){BOX_END} | "
        f"{QUAD}(x,y),(x,y),(x,y),(x,y){QUAD_END}"
    )
    coordinates = "0..1000 of each side"
    rounding = "nearest, halves up"
    writes = frozenset({"bbox", "point", "rings"})
    reserved = ("<|",)
    corners = 4

    def _write(self, answer: Answer, frame: Frame) -> str:
        parts = []
        for phrase, items in groupby(answer.objects, key=lambda item: item.phrase):
            parts.append(f"{REF}{phrase}{REF_END}" if phrase else "")
            parts.extend(self._span(item, frame) for item in items)
        return "".join(parts) or "None"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        for span in spans(body):
            reading.begun = True
            pairs = [(int(x), int(y)) for x, y in _PAIR.findall(span.body)]
            kind: Kind | None = {1: "point", 2: "bbox"}.get(len(pairs), "rings")  # type: ignore[assignment]
            if span.tag == QUAD and len(pairs) < 3:
                kind = None
            if not span.closed and not (span.tag == BOX and len(pairs) == 2):
                reading.cut()
                continue
            if not span.closed:
                reading.cut()
            if kind is None or not pairs:
                self._nothing(span.body, span.phrase, reading)
            elif all(0 <= value <= _GRID.top for pair in pairs for value in pair):
                numbers = [_GRID.read(value, frame.side(index)) for pair in pairs for index, value in enumerate(pair)]
                reading.add(kind, numbers, span.phrase)
            else:
                reading.repair("an object off the grid was dropped")
        if not reading.begun:
            reading.none = says_none(body)

    def _span(self, item: Item, frame: Frame) -> str:
        values = [_GRID.write(value, frame.side(index)) for index, value in enumerate(item.numbers())]
        pairs = ",".join(f"({x},{y})" for x, y in zip(values[::2], values[1::2], strict=True))
        return f"{QUAD}{pairs}{QUAD_END}" if item.rings else f"{BOX}{pairs}{BOX_END}"

    @staticmethod
    def _nothing(body: str, phrase: str, reading: Reading) -> None:
        if says_none(body):
            reading.none = True
            if phrase:
                reading.absent.append(phrase)
        else:
            reading.repair("an object without coordinates was dropped")

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])
