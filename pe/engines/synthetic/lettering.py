"""Rendered words: ink in several typefaces, a little turned, on ground that they stand out from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pe.engines.synthetic.looks import COLOURS, Split
from pe.engines.synthetic.sayings import saying

Ink = npt.NDArray[np.uint8]
_TRIES = 20
_FINE = 4  # letters are turned at this many times the resolution
_CAPITAL = (10.0, 20.0)
_ROOM = 0.35  # free ground around a word, in heights of a capital
_TURN = 12.0
_SEEN = 0.4  # strokes of less than two pixels have few pixels that they cover by half
_PLATES = 0.25
_PLATE = np.full((256, 256), 255, np.uint8)
CONTRAST = 100
"""Least difference in luminance (0 to 255) between a word's colour and the ground it stands on, before the camera."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Word:
    """What is written: `text`, and in `quad` the corners of its ink, clockwise on screen from the text's own top left.

    Corners are x, y in float pixels, edge coordinates; `typeface` is one of TYPEFACES, `colour` one of COLOURS.
    """

    text: str
    quad: tuple[tuple[float, float], ...]
    typeface: str
    colour: str


def _aileron(weight: float) -> Callable[[str], Ink]:
    def draw(text: str) -> Ink:
        font = _font()
        x0, y0, x1, y1 = font.getbbox(text, stroke_width=weight)
        canvas = Image.new("L", (int(x1 - x0) + 8, int(y1 - y0) + 8))
        ImageDraw.Draw(canvas).text((4 - x0, 4 - y0), text, fill=255, font=font, stroke_width=weight)
        return np.asarray(canvas)

    return draw


@cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(80)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _opencv(face: int, thickness: int) -> Callable[[str], Ink]:
    def draw(text: str) -> Ink:
        (width, height), below = cv2.getTextSize(text, face, 2.0, thickness)
        room = 2 * thickness + height // 2
        canvas = np.zeros((height + below + 2 * room, width + 2 * room), np.uint8)
        cv2.putText(canvas, text, (room, room + height), face, 2.0, 255, thickness, cv2.LINE_AA)
        return canvas

    return draw


TYPEFACES: dict[str, Callable[[str], Ink]] = {
    "aileron": _aileron(1),
    "aileron-bold": _aileron(4),
    "simplex": _opencv(cv2.FONT_HERSHEY_SIMPLEX, 5),
    "triplex": _opencv(cv2.FONT_HERSHEY_TRIPLEX, 8),
    "script": _opencv(cv2.FONT_HERSHEY_SCRIPT_COMPLEX, 5),
}
"""Pillow's own face in two weights, and three of OpenCV's; its release 5 has a sans, its bold and its italic there."""


@cache
def _capital(typeface: str) -> int:
    return len(_tight(TYPEFACES[typeface]("H")))


def _tight(canvas: Ink) -> Ink:
    dark = canvas > 127
    ys, xs = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    return canvas[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]


def write(
    rng: np.random.Generator, pixels: npt.NDArray[np.float32], taken: npt.NDArray[np.bool_], split: Split
) -> tuple[Word, npt.NDArray[np.bool_]] | None:
    """Write one word into `pixels` (H, W, 3) float32 RGB where nothing is `taken` (H, W) yet; None if it finds no room.

    Returns the word and its ink (H, W) bool, and marks the ground around it as taken.
    """
    height, width = taken.shape
    text = saying(rng, split)
    typeface = tuple(TYPEFACES)[int(rng.integers(len(TYPEFACES)))]
    ink = _tight(TYPEFACES[typeface](text))
    least, largest = _CAPITAL
    for _ in range(_TRIES):
        capital = float(rng.uniform(least, largest))
        largest = max(least, 0.9 * largest)
        half = np.array([ink.shape[1] * rng.uniform(0.85, 1.15), ink.shape[0]]) * (capital / _capital(typeface) / 2)
        turn = np.radians(rng.uniform(-_TURN, _TURN))
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        around = _corners(half + _ROOM * capital) @ spin
        low, high = -around.min(axis=0), (width, height) - around.max(axis=0)
        if (low > high).any():
            largest = max(least, min(largest, capital))
            continue
        centre = rng.uniform(low, high)
        around += centre
        x0, y0 = np.floor(around.min(axis=0)).astype(int)
        x1, y1 = np.ceil(around.max(axis=0)).astype(int)
        window = slice(y0, y1), slice(x0, x1)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        ground = cv2.fillConvexPoly(mask, np.round(around - (x0, y0) - 0.5).astype(np.int32), 1) > 0
        if taken[window][ground].any():
            continue
        crop = pixels[window]
        colour = _ground(rng, crop, ground, around, window)
        quad = _corners(half) @ spin + centre
        cover = _cover(ink, quad, window)
        crop += cover[..., None] * (_shade(rng, colour) - crop)
        taken[window] |= ground
        seen = np.zeros((height, width), bool)
        seen[window] = cover > _SEEN
        return Word(text, tuple((float(x), float(y)) for x, y in quad), typeface, colour), seen
    return None


def _corners(half: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(4, 2): of a box around the origin, clockwise on screen from its top left."""
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half


def _cover(ink: Ink, quad: npt.NDArray[np.float64], window: tuple[slice, slice]) -> npt.NDArray[np.float32]:
    """How much of each pixel of `window` the ink covers, 0 to 1, once its corners lie on those of `quad`."""
    rows, columns = window
    height, width = rows.stop - rows.start, columns.stop - columns.start
    corners = (quad - (columns.start, rows.start)) * _FINE
    across, down = (corners[1] - corners[0]) / ink.shape[1], (corners[3] - corners[0]) / ink.shape[0]
    # OpenCV counts from pixel centres.
    shift = corners[0] + (across + down) / 2 - 0.5
    fine = cv2.warpAffine(ink, np.stack([across, down, shift], 1), (width * _FINE, height * _FINE))
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


def _ground(
    rng: np.random.Generator,
    crop: npt.NDArray[np.float32],
    ground: npt.NDArray[np.bool_],
    around: npt.NDArray[np.float64],
    window: tuple[slice, slice],
) -> str:
    """A colour that stands out from all of `ground`; where none does, and now and then, a plate is laid on it first."""
    light = {name: float(np.array(rgb, np.float32) @ _LUMA) for name, rgb in COLOURS.items()}
    lights = crop[ground] @ _LUMA
    fitting = _standing_out(light, float(lights.min()), float(lights.max()))
    if not fitting or rng.random() < _PLATES:
        below = tuple(COLOURS)[int(rng.integers(len(COLOURS)))]
        crop += _cover(_PLATE, around, window)[..., None] * (_shade(rng, below) - crop)
        fitting = _standing_out(light, light[below], light[below])
    return fitting[int(rng.integers(len(fitting)))]


def _standing_out(light: dict[str, float], low: float, high: float) -> list[str]:
    return [name for name, value in light.items() if value < low - CONTRAST or value > high + CONTRAST]


def _shade(rng: np.random.Generator, colour: str) -> npt.NDArray[np.float32]:
    return np.array(COLOURS[colour], np.float32) + rng.uniform(-8, 8, 3).astype(np.float32)
