"""Qwen2.5-VL: JSON in whole pixels of the image as its processor resizes it."""

from __future__ import annotations

from pe.formats._answer import Size
from pe.formats._dialect import JsonFormat
from pe.formats._resize import smart_resize

__all__ = ["Qwen25VL"]


class Qwen25VL(JsonFormat):
    """QwenLM/Qwen2.5-VL, cookbooks/spatial_understanding.ipynb; `input_size` is `smart_resize` of the stored image."""

    grammar = '```json [{"bbox_2d": [x0, y0, x1, y1], "label": "PHRASE"}, {"point_2d": [x, y], "label": "PHRASE"}] ```'
    coordinates = "whole pixels of the resized image (--input-size, or the processor's own rule)"
    rounding = "nearest pixel edge, halves up"
    units = "pixels"

    def input_size(self, image: Size) -> Size:
        """(width, height) after `smart_resize`."""
        return smart_resize(image)
