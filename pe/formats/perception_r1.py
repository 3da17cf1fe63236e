"""Perception-R1: Qwen2-VL's tokens for boxes and counts, JSON in pixels for detection, plain text for OCR."""

from __future__ import annotations

import re

from pe.formats._answer import Answer, Size
from pe.formats._dialect import JsonFormat
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._resize import smart_resize
from pe.formats._tagged import BOX, REF
from pe.formats._words import says_none, unwrap
from pe.formats.qwen2_vl import Qwen2VL

__all__ = ["PerceptionR1"]

_JSON = re.compile(r"""["'](?:bbox|point)\w{0,8}["']""")
_BARE = re.compile(r"[\[(]{1,3}\s{0,8}\d")


class _Detection(JsonFormat):
    grammar = coordinates = rounding = ""
    units = "pixels"


class _Bare(JsonFormat):
    grammar = coordinates = rounding = ""
    units = "thousandths"


class PerceptionR1(Qwen2VL):
    """linkangheng/PR1, arXiv 2504.07954. Written as Qwen2-VL; read are also its three other forms.

    JSON with names is in pixels of the resized image (its detection model is Qwen2.5-VL), bare numbers are 0..1000, and
    text without a box is the answer of its OCR task.
    """

    grammar = Qwen2VL.grammar + ' | [{"bbox_2d": [x0, y0, x1, y1], "label": "PHRASE"}] | [x0, y0, x1, y1] | TEXT'
    coordinates = "0..1000 of each side; in JSON whole pixels of the resized image"
    writes = Qwen2VL.writes | {"text"}

    def input_size(self, image: Size) -> Size:
        """(width, height) after `smart_resize`; the image itself where its processor would refuse it."""
        return smart_resize(image) if max(image) <= 200 * min(image) else image

    def _write(self, answer: Answer, frame: Frame) -> str:
        return answer.text if answer.text and not answer.objects else super()._write(answer, frame)

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        if BOX in text or REF in text:
            super()._read(text, frame, reading, asked)
            return
        body = unwrap(text, reading)
        if _JSON.search(body):
            _Detection()._read_body(body, frame, reading)
        elif _BARE.match(body.lstrip()):
            _Bare()._read_body(body, frame, reading)
        elif not reading.truncated:
            reading.none = says_none(body)
            reading.text = "" if reading.none else body.strip()
            reading.answered = bool(reading.text)
