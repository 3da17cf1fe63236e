r"""Mathematics: the answer in the last \boxed{...}."""

from __future__ import annotations

import re

from pe.formats._answer import Answer
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import think_answer, unwrap

__all__ = ["Boxed"]

LONGEST = 8_000  # characters of an answer
_OPEN = "\\boxed{"
_MARK = re.compile(r"\\.|[{}]", re.DOTALL)


class Boxed(Format):
    r"""What the maths rewards of V-Triune and verl read. Braces are counted, by no regular expression."""

    grammar = r"... \boxed{TEXT} | <think> ... </think> <answer> \boxed{TEXT} </answer>"
    coordinates = "none"
    rounding = "none"
    writes = frozenset({"text"})
    named = False

    def _write(self, answer: Answer, frame: Frame) -> str:
        body = f"{_OPEN}{answer.text}}}"
        return think_answer(answer.thought, body) if answer.thought else body

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        start = body.rfind(_OPEN)
        if start < 0:
            return
        start += len(_OPEN)
        end = closing_brace(body, start)
        if end < 0:
            reading.cut()
            reading.begun = True
        else:
            reading.text, reading.answered = body[start:end].strip(), True


def closing_brace(text: str, start: int) -> int:
    """Where the brace that was opened before `start` is closed, -1 for nowhere; `\\{` and `\\}` do not count."""
    depth = 1
    for mark in _MARK.finditer(text, start, start + LONGEST):
        brace = mark.group()
        depth += 1 if brace == "{" else -1 if brace == "}" else 0
        if not depth:
            return mark.start()
    return -1
