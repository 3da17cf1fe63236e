"""Plain text: the answer is what is written, in answer tags or not."""

from __future__ import annotations

from pe.formats._answer import Answer
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import unwrap

__all__ = ["Text"]

_TAIL = 256
_SHORTEST = 60


class Text(Format):
    """Captions, transcriptions, short answers. Thinking and answer tags are taken off, and written for a thought."""

    grammar = "TEXT | <think> ... </think> <answer> TEXT </answer>"
    coordinates = "none"
    rounding = "none"
    writes = frozenset({"text"})
    named = False

    def _write(self, answer: Answer, frame: Frame) -> str:
        if answer.thought:
            return f"<think>{answer.thought}</think>\n<answer>{answer.text}</answer>"
        return answer.text

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading).strip()
        if is_loop(body):
            reading.note("the same thing over and over")
            return
        reading.text = body
        reading.answered = bool(body)


def is_loop(text: str) -> bool:
    """Whether `text` (60 characters or more) ends in one piece repeated over and over, for most of its length."""
    tail = text[-_TAIL:]
    if len(tail) < _SHORTEST:
        return False
    period = next((size for size in range(1, len(tail) // 4 + 1) if tail[size:] == tail[:-size]), 0)
    if not period:
        return False
    same = len(text)
    piece = text[-period:]
    while same >= period and text.startswith(piece, same - period):
        same -= period
    return same < len(text) / 2
