"""PaliGemma: four location tokens, y before x, then the phrase."""

from __future__ import annotations

import re

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Reading
from pe.formats._vocabulary import Vocabulary
from pe.formats._words import says_none, strip_end

__all__ = ["PaliGemma"]

_GRID = Grid(1023)
_BOX = re.compile(r"<loc(\d{4})>\s{0,4}<loc(\d{4})>\s{0,4}<loc(\d{4})>\s{0,4}<loc(\d{4})>")
_SEG = re.compile(r"<seg\d{3}>\s?")
_ORDER = (1, 0, 3, 2)


class PaliGemma(Format):
    """google/paligemma, arXiv 2407.07726. The 16 <seg> tokens of a mask need its decoder and are passed over."""

    grammar = "<locY0><locX0><locY1><locX1> PHRASE ; <loc....> ..."
    coordinates = "<loc0000>..<loc1023>, v/1023 of each side, y before x"
    rounding = "nearest, halves up"
    writes = frozenset({"bbox"})
    reserved = ("<", ">", ";")
    vocabulary = Vocabulary("<loc{:04d}>", 1024, "native")

    def _write(self, answer: Answer, frame: Frame) -> str:
        return " ; ".join(f"{self._tokens(item, frame)} {item.phrase}" for item in answer.objects) or "None"

    def _tokens(self, item: Item, frame: Frame) -> str:
        numbers = item.numbers()
        return "".join(f"<loc{_GRID.write(numbers[index], frame.side(index)):04d}>" for index in _ORDER)

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = strip_end(text)
        for part in body.split(";"):
            if "<loc" not in part:
                continue
            reading.begun = True
            match = _BOX.search(part)
            bins = [int(value) for value in match.groups()] if match else []
            phrase = _SEG.sub("", part[match.end() :]).strip() if match else ""
            if not match or "<loc" in phrase or "<seg" in phrase:
                if body.endswith(part):
                    reading.cut()
                else:
                    reading.repair("an object that is no box and phrase was dropped")
            elif max(bins) > _GRID.top:
                reading.repair("an object off the grid was dropped")
            else:
                reading.add(
                    "bbox", [_GRID.read(bins[index], frame.side(place)) for place, index in enumerate(_ORDER)], phrase
                )
        if not reading.begun:
            reading.none = says_none(body)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])
