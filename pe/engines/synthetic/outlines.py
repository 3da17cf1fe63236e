"""The things that are drawn: outlines as rings in a square of [-1, 1], y down, filled by the even-odd rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rings = tuple[npt.NDArray[np.float64], ...]


def _polygon(*points: tuple[float, float]) -> npt.NDArray[np.float64]:
    return np.array(points, np.float64)


def _arc(radius: float, start: float = 0, end: float = 360, centre: tuple[float, float] = (0, 0)) -> Rings:
    """Points on a circle from `start` to `end` degrees, clockwise on screen from the right."""
    angles = np.radians(np.linspace(start, end, 40, endpoint=abs(end - start) < 360))
    return (np.stack([np.cos(angles) * radius + centre[0], np.sin(angles) * radius + centre[1]], 1),)


def _star() -> npt.NDArray[np.float64]:
    angles = np.radians(np.arange(10) * 36 - 90)
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], 1)


def _heart() -> npt.NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x / 16, (y - 2.5) / 15], 1)


def _moon() -> npt.NDArray[np.float64]:
    outer = _arc(1.0, 50, 310)[0]
    inner = _arc(0.78, 302, 58, (0.32, 0))[0]
    return np.concatenate([outer, inner])


def _fish() -> npt.NDArray[np.float64]:
    t = np.radians(np.linspace(25, 335, 40))
    body = np.stack([-np.cos(t) * -0.72 - 0.28, np.sin(t) * 0.55], 1)
    return np.concatenate([body, _polygon((1.0, -0.62), (0.78, 0.0), (1.0, 0.62))])


_SQUARE = _polygon((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85))

OUTLINES: dict[str, Rings] = {
    "circle": _arc(0.95),
    "square": (_SQUARE,),
    "triangle": (_polygon((0, -0.95), (1, 0.85), (-1, 0.85)),),
    "star": (_star(),),
    "ring": (*_arc(1.0), *_arc(0.52)),
    "frame": (_SQUARE * 1.08, _SQUARE * 0.52),
    "cross": (
        _polygon(
            (-0.34, -1), (0.34, -1), (0.34, -0.34), (1, -0.34), (1, 0.34), (0.34, 0.34),
            (0.34, 1), (-0.34, 1), (-0.34, 0.34), (-1, 0.34), (-1, -0.34), (-0.34, -0.34),
        ),
    ),
    "heart": (_heart(),),
    "moon": (_moon(),),
    "diamond": (_polygon((0, -1), (0.62, 0), (0, 1), (-0.62, 0)),),
    "arrow": (_polygon((-1, -0.32), (0.1, -0.32), (0.1, -0.85), (1, 0), (0.1, 0.85), (0.1, 0.32), (-1, 0.32)),),
    "house": (_polygon((0, -1), (1, -0.15), (0.75, -0.15), (0.75, 0.95), (-0.75, 0.95), (-0.75, -0.15), (-1, -0.15)),),
    "tree": (
        _polygon(
            (0, -1), (0.55, -0.3), (0.3, -0.3), (0.85, 0.45), (0.2, 0.45), (0.2, 1),
            (-0.2, 1), (-0.2, 0.45), (-0.85, 0.45), (-0.3, -0.3), (-0.55, -0.3),
        ),
    ),
    "fish": (_fish(),),
    "mug": (
        _polygon(
            (-1, -0.9), (0.45, -0.9), (0.45, -0.6), (0.85, -0.6), (1.0, -0.4), (1.0, 0.3),
            (0.85, 0.5), (0.45, 0.5), (0.45, 0.9), (-1, 0.9),
        ),
        _polygon((0.45, -0.28), (0.72, -0.28), (0.72, 0.18), (0.45, 0.18)),
    ),
    "key": (
        _polygon(
            (-0.02, -0.22), (1, -0.22), (1, 0.62), (0.74, 0.62), (0.74, 0.2), (0.5, 0.2), (0.5, 0.5), (0.26, 0.5),
            (0.26, 0.2), (-0.02, 0.2), (-0.2, 0.45), (-0.5, 0.56), (-0.8, 0.45), (-1, 0.15), (-1, -0.2),
            (-0.8, -0.48), (-0.5, -0.58), (-0.2, -0.48),
        ),
        *_arc(0.24, centre=(-0.55, 0.0)),
    ),
}  # fmt: skip
"""Sixteen of them; ring, frame, mug and key have a hole."""

SHAPES = tuple(OUTLINES)
