"""V-Triune as its reward reads a box: rounded down to 0..1000 of the resized image, Python quotes and tags required."""

from __future__ import annotations

from collections.abc import Sequence

from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import unwrap
from pe.formats.v_triune import VTriune

__all__ = ["VTriuneCompat"]


class VTriuneCompat(VTriune):
    """MiniMax-AI/One-RL-to-See-Them-All@39bcf0d, reward_server/verify.py, with det_verifier_normalized.

    Nothing is read without an answer tag or with JSON's double quotes, and "[]" is no answer either.
    """

    rounding = "int(x / width * 1000): down"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        if "<answer>" in text and '"bbox_2d"' not in body:
            self._read_body(body, frame, reading)
        reading.none = False

    def _pixels(self, numbers: Sequence[float], frame: Frame, fractions: bool, reading: Reading) -> list[float] | None:
        return [
            int(number / frame.shown_side(index) * 1000) / 1000 * frame.side(index)
            for index, number in enumerate(numbers)
            if abs(number) < 1e9
        ]
