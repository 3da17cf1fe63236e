"""MolmoPoint: special tokens that point at patches; only the model's own decoder has their places."""

from __future__ import annotations

import re

from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import says_none

__all__ = ["MolmoPoint"]

_TAG = re.compile(r'<points coords="[^"<]{0,64}<POINT_')


class MolmoPoint(Format):
    """allenai/MolmoPoint-8B. Never read as coordinates: the numbers are indices of tokens. Read only."""

    grammar = '<points coords="<POINT_token><POINT_patch><POINT_place>ID...">PHRASE</points>'
    coordinates = "none in the text; the model's own decoder is needed"
    rounding = "read only"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        if _TAG.search(text):
            reading.note("the places need the model's own decoder")
        else:
            reading.none = says_none(text)
