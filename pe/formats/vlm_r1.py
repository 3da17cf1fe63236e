"""VLM-R1: thinking, then fenced JSON or "None" in answer tags, in pixels of the resized image."""

from __future__ import annotations

from pe.formats._answer import Size
from pe.formats._dialect import JsonFormat
from pe.formats._resize import smart_resize

__all__ = ["VlmR1"]


class VlmR1(JsonFormat):
    """om-ai-lab/VLM-R1, arXiv 2504.07615: its detection form; a bare [x0, y0, x1, y1] or {...} is read, too."""

    grammar = (
        '<think> ... </think> <answer> ```json [{"bbox_2d": [x0, y0, x1, y1], "label": "PHRASE"}] ``` | None </answer>'
    )
    coordinates = "whole pixels of the resized image (--input-size, or the processor's own rule)"
    rounding = "nearest pixel edge, halves up"
    writes = frozenset({"bbox"})
    units = "pixels"
    thinks = True
    none = "None"

    def input_size(self, image: Size) -> Size:
        """(width, height) after `smart_resize`."""
        return smart_resize(image)
