"""Points in XML, as Molmo writes them: <point x= y=> and <points x1= y1= x2= y2= ...>."""

from __future__ import annotations

import html
import re

from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import says_none

_TAG = re.compile(r"<points?\b([^<>]*+)(>?)")
_ATTRIBUTE = re.compile(r"""\b(x|y|alt)(\d{0,6}+)\s*=\s*(?:"([^"]*+)"|'([^']*+)')""")
_NUMBER = re.compile(r"\s*[-+]?\d{1,16}(?:\.\d{0,16})?\s*")


def read_points(body: str, top: float, frame: Frame, reading: Reading) -> None:
    """Add the points of all tags in `body`, their numbers from 0 to `top` along each side, to `reading`.

    A point counts when both of its attributes are closed; a tag without an end makes the answer truncated. The phrase
    is what stands between the tags, or the `alt` attribute.
    """
    for tag in _TAG.finditer(body):
        reading.begun = True
        values: dict[str, dict[str, float]] = {"x": {}, "y": {}}
        phrase = ""
        for name, index, double, single in _ATTRIBUTE.findall(tag[1]):
            value = double or single
            if name == "alt":
                phrase = html.unescape(value)
            elif _NUMBER.fullmatch(value):
                values[name][index] = float(value)
            else:
                reading.repair("a point without coordinates was dropped")
        following = body.find("<", tag.end())
        if tag[2] and following >= 0 and body.startswith("</point", following):
            phrase = html.unescape(body[tag.end() : following]).strip() or phrase
        elif following < 0 and not tag[1].endswith("/"):
            reading.cut()
        elif not tag[2] or not tag[1].endswith("/"):
            reading.repair("a tag is not closed")
        for index, x in values["x"].items():
            y = values["y"].get(index)
            if y is None:
                reading.note("a point without y was dropped")
            elif not (0 <= x <= top and 0 <= y <= top):
                reading.repair("an object off the grid was dropped")
            else:
                reading.add("point", (x * frame.image[0] / top, y * frame.image[1] / top), phrase)
    if not reading.items and not reading.begun:
        reading.none = says_none(body)
