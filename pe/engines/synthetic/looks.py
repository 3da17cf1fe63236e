"""How things look: ten colours, four textures, three sizes, and which pairs are kept out of training."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pe.engines.synthetic.outlines import SHAPES

Split = Literal["train", "test", "kept_out"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 32, 36),
    "orange": (245, 132, 16),
    "yellow": (246, 222, 36),
    "green": (36, 152, 50),
    "cyan": (30, 208, 220),
    "blue": (36, 70, 214),
    "purple": (132, 36, 170),
    "pink": (250, 130, 190),
    "black": (22, 22, 24),
    "white": (244, 244, 242),
}
TEXTURES = ("plain", "striped", "dotted", "checked")
SIZES: dict[str, tuple[float, float]] = {"small": (9, 12), "medium": (15, 19), "large": (23, 30)}
"""Half the side in pixels."""

KEPT_OUT = frozenset((shape, tuple(COLOURS)[(3 * i + 1) % len(COLOURS)]) for i, shape in enumerate(SHAPES))
"""(shape, colour): one colour of every shape, 16 of 160 pairs, never drawn and never named in the training split."""


def texture(rng: np.random.Generator, name: str, colour: str, height: int, width: int) -> npt.NDArray[np.float32]:
    """(height, width, 3) float32 RGB: the colour, a little off, with the texture in a lighter or darker shade of it."""
    base = np.array(COLOURS[colour], np.float32) + rng.uniform(-12, 12, 3).astype(np.float32)
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:] = base
    if name == "plain":
        return pixels
    dark = base.mean() > 120
    shade = base * 0.62 if dark else base * 0.6 + 92
    period = float(rng.uniform(4.5, 8))
    angle = float(rng.uniform(0, np.pi))
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    u = (xs * np.cos(angle) + ys * np.sin(angle)) / period
    v = (ys * np.cos(angle) - xs * np.sin(angle)) / period
    if name == "striped":
        marked = u % 1 < 0.42
    elif name == "checked":
        marked = (np.floor(u * 0.9) + np.floor(v * 0.9)) % 2 < 1
    else:
        marked = (u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.09
    pixels[marked] = shade
    return cv2.GaussianBlur(pixels, (3, 3), 0)  # type: ignore[return-value]
