"""Actions of agents on a screen: the points and boxes among their arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

_MOST = 400
NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{0,9})?")
_CALL = re.compile(r"\b([A-Za-z_][\w.]{0,63})\(([^()]{0,1024}(?:\([^()]{0,256}\)[^()]{0,256}){0,4})(\))?")
_COORDINATE = re.compile(r"""\b(start_box|end_box|start_point|end_point|point|box|coordinate)\s?=\s?["'\[(]""")


def calls(text: str) -> Iterator[tuple[str, str, bool]]:
    """The calls NAME(ARGUMENTS) of `text`: name, arguments, whether the bracket is closed."""
    for match in islice(_CALL.finditer(text), _MOST):
        yield match[1], match[2], bool(match[3])


def places(arguments: str) -> Iterator[list[float]]:
    """The numbers of every coordinate argument (start_box='(x,y)', point='<point>x y</point>' ...) in order."""
    matches = list(_COORDINATE.finditer(arguments))
    ends = [*(match.start() for match in matches[1:]), len(arguments)]
    for match, end in zip(matches, ends, strict=False):
        piece = arguments[match.end() : end]
        yield [float(number) for number in NUMBER.findall(piece.partition("\n")[0])]
