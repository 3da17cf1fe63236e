"""Molmo2: numbered points in one attribute, per mille of the sides."""

from __future__ import annotations

import html
import re
from itertools import groupby

from pe.formats._answer import Answer
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Reading
from pe.formats._words import says_none, unwrap
from pe.formats.molmo import NONE

__all__ = ["Molmo2"]

_GRID = Grid(1000)
_TAG = re.compile(r"""<(?:points|tracks)\s[^<>"]{0,256}?coords="([\d\s:;,.]*+)("?)([^<>]*+)(>?)""")
_POINT = re.compile(r"\b\d{1,6} (\d{1,4}) (\d{1,4})(?![\d.])")
_PICTURE = re.compile(r"(?:^|[\t:;,])\s*\d{1,6}(?:\.\d{1,6})? (?=\d)")


class Molmo2(Format):
    """allenai/Molmo2-8B, arXiv 2601.10611: coords="IMAGE ID XXX YYY ID XXX YYY ...", at least three digits each."""

    grammar = f'<points coords="1 1 XXX YYY 2 XXX YYY ...">PHRASE</points> | {NONE}'
    coordinates = "000..1000 of each side; the first number is the image's"
    rounding = "nearest, halves up"
    writes = frozenset({"point"})

    def _write(self, answer: Answer, frame: Frame) -> str:
        tags = []
        for phrase, items in groupby(answer.objects, key=lambda item: item.phrase):
            pairs = [
                [_GRID.write(value, frame.side(index)) for index, value in enumerate(item.numbers())] for item in items
            ]
            places = " ".join(f"{number} {x:03d} {y:03d}" for number, (x, y) in enumerate(pairs, 1))
            tags.append(f'<points coords="1 {places}">{html.escape(phrase, quote=False)}</points>')
        return " ".join(tags) or NONE

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        for tag in _TAG.finditer(body):
            reading.begun = True
            coords, quote, _, _ = tag.groups()
            following = body.find("<", tag.end())
            phrase = ""
            if body.startswith(("</points", "</tracks"), max(following, 0)):
                phrase = html.unescape(body[tag.end() : following]).strip()
            elif following < 0 and "/" not in tag[3]:
                reading.cut()
            if not quote:
                coords = coords.rpartition(" ")[0] if not coords.endswith(" ") else coords
                reading.cut()
            if len(_PICTURE.findall(coords)) > 1:
                reading.note("points of several images or frames were put together")
            for x, y in _POINT.findall(_PICTURE.sub(";", coords)):
                if int(x) > 1000 or int(y) > 1000:
                    reading.repair("an object off the grid was dropped")
                else:
                    reading.add(
                        "point", (_GRID.read(int(x), frame.image[0]), _GRID.read(int(y), frame.image[1])), phrase
                    )
        if not reading.begun:
            reading.none = says_none(body)

    def _step(self, frame: Frame) -> tuple[float, float]:
        return _GRID.step(frame.image[0]), _GRID.step(frame.image[1])
