"""Perception-R1 as its released code reads a box: the first match of three patterns, zeros without one."""

from __future__ import annotations

import re

from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._tagged import BOX
from pe.formats.qwen2_vl import Qwen2VL

__all__ = ["PerceptionR1Compat"]

_N = r"\s*+(-?\d++(?:\.\d*+)?)\s*+"
_PATTERNS = (
    re.compile(rf"\[{_N},{_N},{_N},{_N}\]"),
    re.compile(rf"\({_N},{_N},{_N},{_N}\)"),
    re.compile(rf"\({_N},{_N}\),\s*+\({_N},{_N}\)"),
)


class PerceptionR1Compat(Qwen2VL):
    """linkangheng/PR1@48d5558, src/open_r1/utils.py: [a, b, c, d], else (a, b, c, d), else (a, b), (c, d), else zeros.

    Without <|box_start|> the numbers are taken for fractions and multiplied by 1000, whatever they are; corners stay as
    they are.
    """

    writes = frozenset({"bbox"})

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        match = next((match for pattern in _PATTERNS if (match := pattern.search(text))), None)
        scale = 1.0 if BOX in text else 1000.0
        numbers = [float(part[:32]) * scale for part in match.groups()] if match else [0.0] * 4
        reading.add(
            "bbox", [number / 1000 * frame.side(index) for index, number in enumerate(numbers)], keep_order=True
        )
        if not match:
            reading.repair("no box: four zeros")
