"""Gemini: JSON per mille with y before x."""

from __future__ import annotations

from pe.formats._dialect import JsonFormat

__all__ = ["Gemini"]


class Gemini(JsonFormat):
    """Google's Gemini API, "bounding box" and "pointing" answers. Read only."""

    grammar = '```json [{"box_2d": [y0, x0, y1, x1], "label": "PHRASE"}, {"point": [y, x], "label": "PHRASE"}] ```'
    coordinates = "0..1000 of each side, y before x"
    rounding = "read only"
    writes = frozenset()
    units = "thousandths"
    y_first = True
