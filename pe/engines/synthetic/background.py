"""Backgrounds that are not plain, and what a camera adds."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]


def background(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """(height, width, 3) float32 RGB in muted colours: clouds, a gradient, bands, tiles or grain."""
    low, high = rng.uniform(60, 130), rng.uniform(130, 205)
    tint = rng.uniform(-22, 22, (2, 3)).astype(np.float32)
    colours = np.array([low, high], np.float32)[:, None] + tint
    kind = int(rng.integers(5))
    if kind == 0:
        field = _clouds(rng, height, width, int(rng.integers(2, 6)))
    else:
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        along = (xs * np.cos(angle) + ys * np.sin(angle)).astype(np.float32)
        if kind == 1:
            field = (along - along.min()) / max(float(np.ptp(along)), 1.0)
        elif kind == 2:
            field = 0.5 + 0.5 * np.sin(along * np.float32(2 * np.pi / rng.uniform(10, 50)))
        elif kind == 3:
            side = rng.uniform(10, 40)
            field = ((xs // side + ys // side) % 2).astype(np.float32)
        else:
            field = _clouds(rng, height, width, int(rng.integers(12, 40)))
        field = 0.7 * field + 0.3 * _clouds(rng, height, width, 4)
    contrast = np.float32(rng.uniform(0.25, 1.0))
    field = (np.float32(0.5) + contrast * (field - np.float32(0.5)))[..., None]
    blend: Pixels = colours[0] + (colours[1] - colours[0]) * field
    return blend


def _clouds(rng: np.random.Generator, height: int, width: int, cells: int) -> Pixels:
    grid = rng.random((cells + 1, cells + 1), dtype=np.float32)
    return np.clip(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def camera(rng: np.random.Generator, pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Light, blur and noise of a photograph over (H, W, 3) float32; returns uint8."""
    if rng.random() < 0.4:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.3, 0.9)))  # type: ignore[assignment]
    gain = np.float32(rng.uniform(0.85, 1.12))
    balance = rng.uniform(0.96, 1.04, 3).astype(np.float32)
    pixels = pixels * (gain * balance)
    if rng.random() < 0.7:
        noise = rng.standard_normal(pixels.shape, dtype=np.float32)
        noise *= np.float32(rng.uniform(1, 9))
        pixels += noise
    seen: npt.NDArray[np.uint8] = np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8)
    return seen
