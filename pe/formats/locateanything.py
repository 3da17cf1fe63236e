"""LocateAnything: 1001 coordinate tokens between box tags, "none" for what is absent."""

from __future__ import annotations

import re
from itertools import groupby

from pe.formats._answer import Answer
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Reading
from pe.formats._vocabulary import Vocabulary
from pe.formats._words import says_none, unwrap

__all__ = ["LocateAnything"]

_GRID = Grid(1000)
_PART = re.compile(r"<ref>([^<]*+)(</ref>)?|<box>((?:\s?<\d{1,4}>|\s|[^<])*+)(</box>)?")
_BIN = re.compile(r"<(\d{1,4})>")


class LocateAnything(Format):
    """NVlabs/Eagle, Embodied; arXiv 2605.27365. Its TRAINING.md shows <box>(1,2,3,4)</box>, which no code reads."""

    grammar = "<ref>PHRASE</ref><box><x0><y0><x1><y1></box><box>... | <box><x><y></box> | <box>none</box>"
    coordinates = "tokens <0>..<1000>, v/1000 of each side"
    rounding = "nearest, halves up"
    writes = frozenset({"bbox", "point"})
    reserved = ("<", ">")
    vocabulary = Vocabulary("<{}>", 1001, "added")

    def _write(self, answer: Answer, frame: Frame) -> str:
        parts = []
        for phrase, items in groupby(answer.objects, key=lambda item: item.phrase):
            parts.append(f"<ref>{phrase}</ref>" if phrase else "")
            for item in items:
                bins = "".join(
                    f"<{_GRID.write(value, frame.side(index))}>" for index, value in enumerate(item.numbers())
                )
                parts.append(f"<box>{bins}</box>")
        parts += [f"<ref>{phrase}</ref><box>none</box>" for phrase in answer.absent]
        return "".join(parts) or "<box>none</box>"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        phrase = ""
        for match in _PART.finditer(body):
            reading.begun = True
            if match[3] is None:
                phrase = match[1].strip()
                if not match[2]:
                    reading.cut()
            elif not match[4]:
                reading.cut()
            elif says_none(match[3]):
                reading.none = True
                if phrase:
                    reading.absent.append(phrase)
            else:
                self._add([int(value) for value in _BIN.findall(match[3])], phrase, frame, reading)
        if not reading.begun:
            reading.none = says_none(body)

    def _add(self, bins: list[int], phrase: str, frame: Frame, reading: Reading) -> None:
        if bins and max(bins) > _GRID.top:
            reading.repair("an object off the grid was dropped")
        else:
            pixels = [_GRID.read(value, frame.side(index)) for index, value in enumerate(bins)]
            reading.add("point" if len(bins) == 2 else "bbox", pixels, phrase)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])
