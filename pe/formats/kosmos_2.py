"""Kosmos-2: phrases in a text, each with patches of a 32 x 32 grid for two corners of its boxes."""

from __future__ import annotations

import math
import re

from pe.formats._answer import Answer, Item
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._vocabulary import Vocabulary
from pe.formats._words import says_none, strip_end

__all__ = ["Kosmos2"]

_SIDE = 32
_OBJECT = re.compile(
    r"(?:<phrase>([^<]*+)</phrase>)?<object>((?:<patch_index_\d{4}>|</delimiter_of_multi_objects/>)*+)(</object>)?"
)
_PATCH = re.compile(r"<patch_index_(\d{4})>")
_MARK = re.compile(r"</?(?:grounding|phrase|s)>|<object>|</object>|<patch_index_\d{4}>|</delimiter_of_multi_objects/>")
_NEXT = "</delimiter_of_multi_objects/>"


class Kosmos2(Format):
    """microsoft/unilm kosmos-2, arXiv 2306.14824; transformers' processing_kosmos2 for the corners."""

    grammar = f"<phrase>PHRASE</phrase><object><patch_index_UL><patch_index_LR>{_NEXT}...</object>"
    coordinates = "patches <patch_index_0000>..<patch_index_1023> of 32 x 32 (row * 32 + column)"
    rounding = "the patch a corner lies in, read as its middle; a box in one row or column is read as whole patches"
    writes = frozenset({"bbox"})
    reserved = ("<", ">")
    vocabulary = Vocabulary("<patch_index_{:04d}>", 1024, "native")

    def _write(self, answer: Answer, frame: Frame) -> str:
        return (
            ", ".join(
                f"<phrase>{item.phrase}</phrase><object>{_corners(item, frame)}</object>" for item in answer.objects
            )
            or "None"
        )

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = strip_end(text)
        for match in _OBJECT.finditer(body):
            reading.begun = True
            phrase = (match[1] or "").strip()
            groups = match[2].split(_NEXT)
            for place, group in enumerate(groups):
                patches = [int(number) for number in _PATCH.findall(group)]
                if not match[3] and (len(patches) != 2 or place < len(groups) - 1):
                    reading.cut()
                elif len(patches) != 2 or max(patches) >= _SIDE * _SIDE:
                    reading.repair("an object that is no pair of patches was dropped")
                else:
                    box = _box(*patches)
                    reading.add("bbox", [part * frame.side(index) for index, part in enumerate(box)], phrase)
            if not match[3]:
                reading.cut()
        reading.text = _MARK.sub("", body).strip()
        if not reading.begun:
            reading.none = says_none(body)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return frame.image[0] / _SIDE, frame.image[1] / _SIDE


def _corners(item: Item, frame: Frame) -> str:
    x0, y0, x1, y1 = (
        min(max(value / frame.side(index), 0.0), 1.0) * _SIDE for index, value in enumerate(item.numbers())
    )
    left, top = min(int(x0), _SIDE - 1), min(int(y0), _SIDE - 1)
    right, low = max(math.ceil(x1) - 1, left), max(math.ceil(y1) - 1, top)
    return f"<patch_index_{top * _SIDE + left:04d}><patch_index_{low * _SIDE + right:04d}>"


def _box(first: int, last: int) -> tuple[float, float, float, float]:
    """Fractions of the sides: middles of the two patches, or their outer edges when they share a row or a column."""
    (top, left), (low, right) = divmod(first, _SIDE), divmod(last, _SIDE)
    if left == right or top == low:
        return left / _SIDE, top / _SIDE, (right + 1) / _SIDE, (low + 1) / _SIDE
    return (left + 0.5) / _SIDE, (top + 0.5) / _SIDE, (right + 0.5) / _SIDE, (low + 0.5) / _SIDE
