"""UI-TARS: actions with the place they act on, in pixels of the resized screenshot."""

from __future__ import annotations

import re

from pe.formats._actions import NUMBER, calls, places
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import says_none, strip_end

__all__ = ["UiTars"]

_TAIL = 64
_ACTION = re.compile(r"\bActions?:")


class UiTars(Format):
    """bytedance/UI-TARS-1.5, arXiv 2501.12326. Two numbers are a point, four a box; the action is the phrase."""

    grammar = "Thought: ... Action: NAME(start_box='(x,y)', end_box='(x0,y0,x1,y1)')"
    coordinates = "pixels of the resized image (--input-size)"
    rounding = "read only"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = strip_end(text)
        action = max(_ACTION.finditer(body), key=lambda match: match.start(), default=None)
        reading.thought = body[: action.start()].removeprefix("Thought:").strip() if action else ""
        acts = body[action.end() :] if action else body
        for name, arguments, closed in calls(acts):
            for numbers in places(arguments):
                reading.begun |= bool(numbers)
                if len(numbers) in (2, 4) and closed:
                    pixels = [n * frame.side(index) / frame.shown_side(index) for index, n in enumerate(numbers)]
                    reading.add("point" if len(numbers) == 2 else "bbox", pixels, name)
                elif numbers:
                    reading.cut() if not closed else reading.repair("a place that is no point or box was dropped")
            if not closed:
                reading.begun |= NUMBER.search(acts[-_TAIL:]) is not None
                reading.cut()
        if not reading.begun:
            reading.none = says_none(body)
