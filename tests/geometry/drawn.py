"""Masks for the tests: random ones of every density, structured ones, and a slow even-odd reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from pycocotools import mask as coco


@st.composite
def any_mask(draw: st.DrawFn, side: int = 40) -> npt.NDArray[np.bool_]:
    """A (1..side, 1..side) mask: noise of any density, noise in blocks, or random boxes drawn over each other."""
    height, width = draw(st.integers(1, side)), draw(st.integers(1, side))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "blocks", "boxes"]))
    if kind == "boxes":
        mask = np.zeros((height, width), np.bool_)
        for _ in range(draw(st.integers(1, 12))):
            y, x = np.sort(rng.integers(0, height + 1, 2)), np.sort(rng.integers(0, width + 1, 2))
            mask[y[0] : y[1], x[0] : x[1]] ^= True
        return mask
    noise = rng.random((height, width)) < draw(st.floats(0.0, 1.0))
    if kind == "blocks":
        size = draw(st.integers(2, 6))
        noise = np.kron(noise, np.ones((size, size), np.bool_))[:height, :width]
    return noise


def structured_masks() -> dict[str, npt.NDArray[np.bool_]]:
    """Named masks that break careless tracers."""
    y, x = np.mgrid[:24, :30]
    empty = np.zeros((24, 30), np.bool_)
    pixel, line, column, border = (empty.copy() for _ in range(4))
    pixel[7, 9] = True
    line[5, 3:20] = True
    column[2:20, 4] = True
    border[[0, -1]] = border[:, [0, -1]] = True
    nested = (np.maximum(abs(x - 15), abs(y - 12)) // 2) % 2 == 0
    return {
        "empty": empty,
        "full": ~empty,
        "pixel": pixel,
        "all but a pixel": ~pixel,
        "line": line,
        "column": column,
        "border": border,
        "checkerboard": (x + y) % 2 == 0,
        "diagonal": x == y,
        "anti-diagonal": x + y == 20,
        "two diagonals": (x == y) | (x + y == 20),
        "stairs": x // 2 == y // 2,
        "disc": (x - 14) ** 2 + (y - 11) ** 2 < 90,
        "donut": ((x - 14) ** 2 + (y - 11) ** 2 < 90) & ((x - 14) ** 2 + (y - 11) ** 2 > 30),
        "nested": nested,
        "one by one": np.ones((1, 1), np.bool_),
    }


def coco_fill(rings: list[npt.NDArray[np.float64]], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Rings drawn one by one by COCO's rasteriser and combined by exclusive or, so that holes are holes."""
    mask = np.zeros((height, width), np.bool_)
    for ring in rings:
        mask ^= coco.decode(coco.frPyObjects([ring.ravel().tolist()], height, width))[..., 0].astype(np.bool_)
    return mask


def brute_force(rings: list[npt.NDArray[np.float64]], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Even-odd at every pixel centre, one edge and one pixel at a time, in exact fractions."""
    from fractions import Fraction

    mask = np.zeros((height, width), np.bool_)
    exact = [[(Fraction(float(x)), Fraction(float(y))) for x, y in ring] for ring in rings if len(ring) >= 3]
    for j in range(height):
        cy = Fraction(2 * j + 1, 2)
        for ring in exact:
            for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
                if (y0 <= cy) != (y1 <= cy):
                    crossing = x0 + (cy - y0) * (x1 - x0) / (y1 - y0)
                    mask[j] ^= np.array([crossing <= Fraction(2 * i + 1, 2) for i in range(width)], np.bool_)
    return mask
