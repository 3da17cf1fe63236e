"""Florence-2: phrases followed by location tokens; boxes, quads with text, polygons."""

from __future__ import annotations

import re
from itertools import groupby

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Kind, Reading
from pe.formats._runs import runs
from pe.formats._vocabulary import Vocabulary

__all__ = ["Florence2"]

_GRID = Grid(999, "cells")
_TOKEN = re.compile(r"<loc_(\d{1,4})>")
_APART = re.compile(r"<sep>|</poly>")  # between two polygons of one phrase
_SPECIAL = re.compile(r"</?s>|<pad>|</?(?:od|ncap|dcap|grounding|cap|ocr|region_cap|seg)>|<poly>|<loc_\d{0,4}$")


class Florence2(Format):
    """microsoft/Florence-2, arXiv 2311.06242. Four tokens are a box, more a polygon; eight are a quad of its OCR task.

    More boxes of one phrase follow without a repeat: a run of 8, 12 ... tokens is read as boxes when every four are in
    order (x0 < x1, y0 < y1), else as one polygon. Text without tokens is a caption; `text` is always what is left when
    the tokens are taken out. A text that begins with <s> or </s> and does not end with </s> has its last run cut short.
    """

    grammar = "PHRASE<loc_x0><loc_y0><loc_x1><loc_y1>... | TEXT<loc_x><loc_y> x 4 | <loc_x><loc_y>... | TEXT"
    coordinates = "cells <loc_0>..<loc_999> of each side"
    rounding = "the cell the coordinate lies in; read as its middle"
    writes = frozenset({"bbox", "rings", "text"})
    reserved = ("<", ">")
    vocabulary = Vocabulary("<loc_{}>", 1000, "native")

    def _write(self, answer: Answer, frame: Frame) -> str:
        if not answer.objects:
            return answer.text
        parts = []
        for (phrase, shape), group in groupby(answer.objects, key=lambda item: (item.phrase, item.shape)):
            rows = [self._bins(item, frame) for item in group]
            shared = shape == "bbox" and all(map(_ordered, rows))
            for place, row in enumerate(rows):
                parts.append("" if shared and place else phrase)
                parts.extend(f"<loc_{number}>" for number in row)
        return "".join(parts)

    def _bins(self, item: Item, frame: Frame) -> list[int]:
        """The numbers of `item`; a ring that would read as boxes starts at a later vertex."""
        bins = [_GRID.write(value, frame.side(index)) for index, value in enumerate(item.numbers())]
        for _ in range(len(bins) // 2 if item.rings else 0):
            if not _ordered(bins):
                break
            bins = bins[2:] + bins[:2]
        return bins

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        open_end = not text.rstrip().endswith("</s>")
        if open_end and text.lstrip().startswith(("<s>", "</s>")):
            reading.cut()
        if text.rstrip().endswith("<") or re.search(r"<loc_\d{0,4}$", text[-16:].rstrip()):
            reading.cut()
        plain = _SPECIAL.sub("", _APART.sub("\0", text))
        found = list(runs(plain, _TOKEN))
        reading.text = _TOKEN.sub("", plain).replace("\0", "").strip()
        reading.answered = not found and bool(reading.text)
        phrase = ""
        for place, run in enumerate(found):
            reading.begun = True
            phrase = run.before.replace("\0", "").strip() or (phrase if "\0" in run.before else "")
            numbers = run.numbers
            if open_end and place == len(found) - 1 and (reading.truncated or _is_short(numbers)):
                reading.cut()
                numbers = numbers[: len(numbers) // 4 * 4]
                numbers = numbers if len(numbers) > 4 and _ordered(numbers) else []
            if max(numbers, default=0) > _GRID.top:
                reading.repair("an object off the grid was dropped")
            else:
                self._add(numbers, phrase, frame, reading)

    def _add(self, bins: list[int], phrase: str, frame: Frame, reading: Reading) -> None:
        pixels = [_GRID.read(value, frame.side(index)) for index, value in enumerate(bins)]
        if len(bins) >= 4 and _are_boxes(bins):
            for start in range(0, len(pixels) // 4 * 4, 4):
                reading.add("bbox", pixels[start : start + 4], phrase)
        elif bins:
            kind: Kind = "rings" if len(bins) >= 6 else "bbox"
            reading.add(kind, pixels, phrase)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])


def _are_boxes(bins: list[int]) -> bool:
    """Whether a run is boxes rather than a polygon: every whole four has its corners in order."""
    return len(bins) == 4 or (len(bins) % 4 == 0 and _ordered(bins))


def _is_short(bins: list[int]) -> bool:
    """Whether a run at the end of a text stops within a box or a vertex."""
    return len(bins) % 2 == 1 or (len(bins) % 4 != 0 and _ordered(bins))


def _ordered(bins: list[int]) -> bool:
    """Whether in every whole four the first corner lies left of and above the second."""
    fours = range(0, len(bins) // 4 * 4, 4)
    return all(bins[start] < bins[start + 2] and bins[start + 1] < bins[start + 3] for start in fours)
