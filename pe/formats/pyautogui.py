"""Mouse code as OpenCUA and others write it: pyautogui.click(x=X, y=Y)."""

from __future__ import annotations

import re

from pe.formats._actions import NUMBER, calls
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import says_none

__all__ = ["PyAutoGui"]

_NAMED = {name: re.compile(rf"\b{name}\s{{0,8}}=\s{{0,8}}({NUMBER.pattern})") for name in "xy"}
_PAIR = re.compile(rf"\s{{0,8}}({NUMBER.pattern})\s{{0,8}},\s{{0,8}}({NUMBER.pattern})")
_FUNCTIONS = frozenset(
    ["click", "doubleClick", "rightClick", "middleClick", "tripleClick", "moveTo", "dragTo", "mouseDown", "mouseUp"]
)


class PyAutoGui(Format):
    """Calls of pyautogui with a place, in code that is read and never run; the phrase is the function. Read only."""

    grammar = "pyautogui.click(x=X, y=Y) | pyautogui.click(X, Y)"
    coordinates = "pixels of the resized image (--input-size); numbers up to 1 are fractions"
    rounding = "read only"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        for name, arguments, closed in calls(text):
            function = name.rpartition(".")[2]
            if function not in _FUNCTIONS:
                continue
            pair = _PAIR.match(arguments)
            x, y = (pattern.search(arguments) for pattern in _NAMED.values())
            reading.begun |= bool(pair or x)
            if not closed:
                reading.cut()
            elif pair or (x and y):
                numbers = [float(n) for n in (pair.groups() if pair else (x[1] if x else "", y[1] if y else ""))]
                fractions = all(0 <= n <= 1 for n in numbers) and any(n % 1 for n in numbers)
                top = (1, 1) if fractions else frame.shown
                reading.add(
                    "point",
                    [n * side / whole for n, side, whole in zip(numbers, frame.image, top, strict=True)],
                    function,
                )
        if not reading.begun:
            reading.none = says_none(text)
