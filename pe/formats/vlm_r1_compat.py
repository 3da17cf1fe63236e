"""VLM-R1 as its detection rewards read an answer: the last fence of valid JSON, in pixels as they stand."""

from __future__ import annotations

from typing import Any

from pe.formats._answer import Size
from pe.formats._frame import Frame
from pe.formats._json import is_closed, read_values
from pe.formats._objects import shapes
from pe.formats._reading import Reading
from pe.formats.vlm_r1 import VlmR1

__all__ = ["VlmR1Compat"]

_FENCE = "```json"


class VlmR1Compat(VlmR1):
    """om-ai-lab/VLM-R1@90052f4, grpo_jsonl.py (map, od_ap): numbers are not rescaled, corners stay as they are.

    Text without a closed ```json fence, or with a fault in it, holds nothing; nothing and "None" are the same to it.
    """

    coordinates = "whole pixels, taken for those of the stored image"

    def input_size(self, image: Size) -> Size:
        """The image itself."""
        return image

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        reading.none = True
        tag = text.rfind("<answer>")
        body = text[tag + len("<answer>") :].partition("</answer>")[0] if tag >= 0 else text
        end = body.rfind("```")
        start = body.rfind(_FENCE, 0, max(end, 0))
        if start < 0:
            return
        for value in read_values(body[start + len(_FENCE) : end]):
            if not value.repairs and not value.notes and is_closed(value.node):
                self._take(value.node, reading)

    @staticmethod
    def _take(node: list[Any], reading: Reading) -> None:
        for shape in shapes(node):
            if shape.keyed and shape.kind == "bbox" and len(shape.numbers or ()) == 4:
                reading.add("bbox", shape.numbers or (), shape.phrase, keep_order=True)
