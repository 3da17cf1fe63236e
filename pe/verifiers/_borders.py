"""The boundary measure of pairs of masks, in bounded time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pe.geometry.boundary import TOLERANCE, boundary_f
from pe.geometry.spans import Spans

_MOST = 2**19


def border_agreement(pairs: Sequence[tuple[Spans, Spans]]) -> list[float]:
    """`boundary_f` of each pair of a drawn mask and a true one of one image.

    Only the window around both is looked at. Where the windows of all pairs together have more than 2**19 pixels,
    every second, third ... row and column is.
    """
    hulls = [_hull(*pair) for pair in pairs]
    pixels = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in hulls)
    stride = max(1, math.ceil(math.sqrt(pixels / _MOST)))
    return [_agreement(drawn, true, hull, stride) for (drawn, true), hull in zip(pairs, hulls, strict=True)]


def _agreement(drawn: Spans, true: Spans, hull: tuple[int, int, int, int], stride: int) -> float:
    height, width = true.size
    x0, y0, x1, y1 = hull
    # one sample more all round, so that the window's edge is no border of a mask
    window = max(x0 - stride, 0), max(y0 - stride, 0), min(x1 + stride, width), min(y1 + stride, height)
    reach = math.ceil(math.ceil(TOLERANCE * math.hypot(height, width)) / stride)
    return boundary_f(drawn.window(window, stride), true.window(window, stride), reach)


def _hull(a: Spans, b: Spans) -> tuple[int, int, int, int]:
    first, second = a.box(), b.box()
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])
