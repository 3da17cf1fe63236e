"""InternVL and All-Seeing: references in a text, each with a list of boxes, per mille."""

from __future__ import annotations

import re
from itertools import groupby

from pe.formats._answer import Answer
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Reading
from pe.formats._words import says_none, unwrap

__all__ = ["InternVL"]

_GRID = Grid(1000)
_INSIDE = r"[\[\]()\d\s,.]*+"
_PART = re.compile(rf"<(ref|pred)>([^<]*+)</(?:ref|pred)>|<box>({_INSIDE})(</box>)?")
_ROW = re.compile(r"\[\s*+(\d{1,5})\s*+,\s*+(\d{1,5})\s*+,\s*+(\d{1,5})\s*+,\s*+(\d{1,5})\s*+\]")
_MARK = re.compile(rf"</?(?:ref|pred)>|<box>{_INSIDE}(?:</box>)?")


class InternVL(Format):
    """OpenGVLab/InternVL, arXiv 2312.14238, and All-Seeing v2; boxes of <pred> relations are passed over.

    Read are also Qwen-VL's <box>(x0,y0),(x1,y1)</box> and MiniCPM-V's <box>x0 y0 x1 y1</box>, which share its units.
    """

    grammar = "<ref>PHRASE</ref><box>[[x0, y0, x1, y1], ...]</box>"
    coordinates = "0..1000 of each side"
    rounding = "nearest, halves up"
    writes = frozenset({"bbox"})
    reserved = ("<", ">")

    def _write(self, answer: Answer, frame: Frame) -> str:
        parts = []
        for phrase, items in groupby(answer.objects, key=lambda item: item.phrase):
            boxes = [
                [_GRID.write(value, frame.side(index)) for index, value in enumerate(item.numbers())] for item in items
            ]
            parts.append(f"<ref>{phrase}</ref><box>{boxes}</box>")
        return ", ".join(parts) or "None"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        phrase, named = "", True
        for match in _PART.finditer(body):
            if match[1]:
                phrase, named = match[2].strip(), match[1] == "ref"
            elif named:
                reading.begun = True
                self._read_box(match[3], bool(match[4]), phrase, frame, reading)
        reading.text = _MARK.sub("", body).strip()
        if not reading.begun:
            reading.none = says_none(body)

    @staticmethod
    def _read_box(inside: str, closed: bool, phrase: str, frame: Frame, reading: Reading) -> None:
        """Add the boxes, or the point, of one box tag; of one that is not closed, the rows in whole brackets."""
        if not closed:
            reading.cut()
            rows = [[int(number) for number in row] for row in _ROW.findall(inside)]
        else:
            numbers = [int(number) for number in re.findall(r"\d{1,9}", inside)]
            size = 2 if len(numbers) == 2 else 4
            rows = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        for row in rows:
            if max(row) > _GRID.top:
                reading.repair("an object off the grid was dropped")
            else:
                pixels = [_GRID.read(number, frame.side(index)) for index, number in enumerate(row)]
                reading.add("point" if len(row) == 2 else "bbox", pixels, phrase)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])
