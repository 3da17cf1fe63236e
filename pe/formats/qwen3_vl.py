"""Qwen3-VL: JSON in thousandths of the sides; also its points in Molmo's XML."""

from __future__ import annotations

from pe.formats._dialect import JsonFormat
from pe.formats._frame import Frame
from pe.formats._points import read_points
from pe.formats._reading import Reading

__all__ = ["Qwen3VL"]


class Qwen3VL(JsonFormat):
    """QwenLM/Qwen3-VL, cookbooks/2d_grounding.ipynb."""

    grammar = '```json [{"bbox_2d": [x0, y0, x1, y1], "label": "PHRASE"}, {"point_2d": [x, y], "label": "PHRASE"}] ```'
    coordinates = "0..1000 of each side"
    rounding = "nearest, halves up"
    units = "thousandths"

    def _read_body(self, body: str, frame: Frame, reading: Reading) -> None:
        if "<point" in body:
            read_points(body, 1000, frame, reading)
        else:
            super()._read_body(body, frame, reading)
