"""One scene: what is where, drawn back to front, and which pixels of each thing can be seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pe.engines.synthetic.background import background, camera
from pe.engines.synthetic.lettering import Word, write
from pe.engines.synthetic.looks import COLOURS, KEPT_OUT, SIZES, TEXTURES, Split, texture
from pe.engines.synthetic.outlines import OUTLINES, SHAPES

_SPLITS = {"train": 0, "test": 1, "kept_out": 2}
_FINE = 4  # outlines are filled at this many times the resolution
_SHIFT = 4
_TRIES = 12
LEAST_SEEN = 0.4
"""A thing of which less than this share can be seen is not in the scene."""
LEAST_PIXELS = 40


@dataclass(frozen=True, slots=True)
class World:
    """What scenes hold: their side in pixels, how many things and how many words at least and at most.

    `alike` is the chance that a thing takes after one before it, in shape or in colour.
    """

    side: int = 128
    least: int = 1
    most: int = 5
    scale: float = 1.0
    alike: float = 0.0
    words: tuple[int, int] = (0, 0)


WORLDS = {
    "base": World(),
    "dense": World(least=20, most=60, side=256, scale=0.8),
    "crowd": World(least=6, most=10, scale=0.8),
    "language": World(least=3, most=6, side=160, alike=0.5),
    "text": World(least=0, most=2, side=160, words=(1, 6)),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """What a drawn thing is: names of `looks`, `size` one of small, medium, large; `half` its half side in pixels."""

    shape: str
    colour: str
    texture: str
    size: str
    centre: tuple[float, float]
    half: float
    angle: float


@dataclass(frozen=True, slots=True)
class Scene:
    """`pixels` (H, W, 3) uint8 RGB, `things` back to front, `words` beside them.

    `owner` (H, W) uint8 is 1 + what a pixel shows, or 0; words are numbered after the things.
    """

    pixels: npt.NDArray[np.uint8]
    things: tuple[Thing, ...]
    owner: npt.NDArray[np.uint8]
    words: tuple[Word, ...] = ()

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool: the visible part of thing `index`, or of word `index - len(things)`."""
        mask: npt.NDArray[np.bool_] = self.owner == index + 1
        return mask

    def box(self, index: int) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 around the visible part of thing or word `index`, edge coordinates."""
        mask = self.mask(index)
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def scene_rng(seed: int, split: Split, index: int) -> np.random.Generator:
    """The generator of one scene: it depends on these three alone, so scenes can be drawn in any order."""
    return np.random.default_rng([seed, _SPLITS[split], index])


def draw_scene(world: World, rng: np.random.Generator, split: Split) -> Scene:
    """A scene with as many things of `world` as find room; pairs of shape and colour are those of `split`."""
    side = world.side
    count = int(rng.integers(world.least, world.most + 1))
    pixels = background(rng, side, side)
    owner = np.zeros((side, side), np.uint8)
    things: list[Thing] = []
    whole: list[int] = []
    seen: list[int] = []
    for _ in range(count):
        for _ in range(_TRIES):
            thing = _thing(world, rng, split, things)
            placed = coverage(thing, side)
            if placed is None:
                continue
            window, cover = placed
            solid = cover > 0.5
            area = int(np.count_nonzero(solid))
            if area < LEAST_PIXELS:
                continue
            left = _left(owner[window][solid], whole, seen)
            if left is None:
                continue
            crop = pixels[window]
            paint = texture(rng, thing.texture, thing.colour, *cover.shape)
            crop += cover[..., None] * (paint - crop)
            owner[window][solid] = len(things) + 1
            things.append(thing)
            whole.append(area)
            seen = [*left, area]
            break
    words = _write(world, rng, split, pixels, owner, len(things))
    return Scene(camera(rng, pixels), tuple(things), owner, words)


def _write(
    world: World,
    rng: np.random.Generator,
    split: Split,
    pixels: npt.NDArray[np.float32],
    owner: npt.NDArray[np.uint8],
    things: int,
) -> tuple[Word, ...]:
    least, most = world.words
    if not most:
        return ()
    wanted = int(rng.integers(least, most + 1))
    taken = owner > 0
    words: list[Word] = []
    for _ in range(_TRIES):
        written = write(rng, pixels, taken, split)
        if written is not None:
            words.append(written[0])
            owner[written[1]] = things + len(words)
        if len(words) == wanted:
            break
    return tuple(words)


def _thing(world: World, rng: np.random.Generator, split: Split, before: list[Thing]) -> Thing:
    colours = tuple(COLOURS)
    while True:
        shape, colour = SHAPES[int(rng.integers(len(SHAPES)))], colours[int(rng.integers(len(colours)))]
        if before and world.alike and rng.random() < world.alike:
            model = before[int(rng.integers(len(before)))]
            shape, colour = (model.shape, colour) if rng.random() < 0.5 else (shape, model.colour)
        if ((shape, colour) in KEPT_OUT) == (split == "kept_out"):
            break
    size = tuple(SIZES)[int(rng.choice(3, p=(0.3, 0.4, 0.3)))]
    half = float(rng.uniform(*SIZES[size])) * world.scale
    name = TEXTURES[int(rng.choice(4, p=(0.55, 0.15, 0.15, 0.15)))]
    margin = half * float(rng.uniform(0.55, 1.0))
    low, high = margin, world.side - margin
    centre = (float(rng.uniform(low, high)), float(rng.uniform(low, high)))
    return Thing(shape, colour, name, size, centre, half, float(rng.uniform(-20, 20)))


def coverage(thing: Thing, side: int) -> tuple[tuple[slice, slice], npt.NDArray[np.float32]] | None:
    """The window of the picture that the thing touches and how much of each pixel it covers, 0 to 1."""
    turn = np.radians(thing.angle)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * thing.half
    rings = [ring @ spin + thing.centre for ring in OUTLINES[thing.shape]]
    low = np.floor(rings[0].min(axis=0)).astype(int)
    high = np.ceil(rings[0].max(axis=0)).astype(int)
    x0, y0 = (int(value) for value in np.maximum(low, 0))
    x1, y1 = (int(value) for value in np.minimum(high, side))
    if x1 <= x0 or y1 <= y0:
        return None
    fine = np.zeros(((y1 - y0) * _FINE, (x1 - x0) * _FINE), np.uint8)
    # OpenCV counts from pixel centres.
    points = [np.round((((ring - (x0, y0)) * _FINE) - 0.5) * (1 << _SHIFT)).astype(np.int32) for ring in rings]
    cv2.fillPoly(fine, points, 255, lineType=cv2.LINE_8, shift=_SHIFT)
    cover = cv2.resize(fine, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return (slice(y0, y1), slice(x0, x1)), cover.astype(np.float32) / np.float32(255)


def _left(under: npt.NDArray[np.uint8], whole: list[int], seen: list[int]) -> list[int] | None:
    """What can be seen of each thing once one more hides `under`; None if that is too little of any."""
    hidden = np.bincount(under, minlength=len(whole) + 1)[1:]
    left = [now - int(less) for now, less in zip(seen, hidden, strict=True)]
    for index in np.flatnonzero(hidden):
        if left[index] < LEAST_SEEN * whole[index] or left[index] < LEAST_PIXELS:
            return None
    return left
