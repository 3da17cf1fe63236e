"""GLM-4.5V: lists per mille between box tags, in prose."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from pe.formats._dialect import JsonFormat
from pe.formats._frame import Frame
from pe.formats._reading import Reading

__all__ = ["Glm"]

_OPEN, _CLOSE = "<|begin_of_box|>", "<|end_of_box|>"
_MOST = 300
_QUOTED = re.compile(r"""(?<!\w)['"“‘]([^'"“”‘’\n]{1,80})['"”’](?!\w)""")


class Glm(JsonFormat):
    """zai-org/GLM-V. The phrase is what is quoted in the words before; answers of words stand in the same tags."""

    grammar = f'"PHRASE" ... {_OPEN}[x0, y0, x1, y1]{_CLOSE} | {_OPEN}[[...], ...]{_CLOSE} | {_OPEN}TEXT{_CLOSE}'
    coordinates = "0..1000 of each side"
    rounding = "read only"
    writes = frozenset()
    units = "thousandths"

    def _read_body(self, body: str, frame: Frame, reading: Reading) -> None:
        parts = body.split(_OPEN, _MOST)
        for before, part in pairwise(parts):
            inside, closed, _ = part.partition(_CLOSE)
            first = len(reading.items)
            super()._read_body(inside, frame, reading)
            words = _QUOTED.findall(before.rpartition(_CLOSE)[2][-400:])
            if words:
                reading.items[first:] = [
                    replace(item, phrase=item.phrase or words[-1]) for item in reading.items[first:]
                ]
            if not closed:
                reading.cut()
            if len(reading.items) == first and not reading.begun and closed:
                reading.text = inside.strip()
        reading.answered = bool(reading.text) and not reading.items and not reading.none
        if len(parts) == 1:
            super()._read_body(body, frame, reading)
