"""V-Triune (Orsta): thinking, then a Python list of boxes in answer tags, in pixels of the resized image."""

from __future__ import annotations

from pe.formats._answer import Size
from pe.formats._dialect import JsonFormat
from pe.formats._resize import smart_resize

__all__ = ["VTriune"]


class VTriune(JsonFormat):
    """MiniMax-AI/One-RL-to-See-Them-All, arXiv 2505.18129; the model is Qwen2.5-VL."""

    grammar = "<think> ... </think> <answer> [{'bbox_2d': [x0, y0, x1, y1], 'label': 'PHRASE'}] </answer>"
    coordinates = "whole pixels of the resized image (--input-size, or the processor's own rule)"
    rounding = "nearest pixel edge, halves up"
    writes = frozenset({"bbox"})
    units = "pixels"
    python = True
    fenced = False
    thinks = True

    def input_size(self, image: Size) -> Size:
        """(width, height) after `smart_resize`."""
        return smart_resize(image)
