"""Scenes for training, drawn once and kept as arrays: pictures as the camera and JPEG left them, owners, things."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from pe.engines.synthetic.looks import COLOURS, SIZES, TEXTURES
from pe.engines.synthetic.outlines import SHAPES
from pe.engines.synthetic.scene import WORLDS, draw_scene, scene_rng

CHUNK = 500
MOST = WORLDS["base"].most


def draw(job: tuple[int, str, int]) -> dict[str, np.ndarray]:
    """CHUNK scenes from scene number `start`: pixels, owner, count, kinds (shape, colour, texture), sizes and boxes."""
    cv2.setNumThreads(1)
    seed, split, start = job
    world = WORLDS["base"]
    side = world.side
    pixels = np.zeros((CHUNK, side, side, 3), np.uint8)
    owner = np.zeros((CHUNK, side, side), np.uint8)
    count = np.zeros(CHUNK, np.int64)
    kinds = np.zeros((CHUNK, MOST, 3), np.int64)
    sizes = np.zeros((CHUNK, MOST), np.int64)
    boxes = np.zeros((CHUNK, MOST, 4), np.float32)
    colours = tuple(COLOURS)
    for row in range(CHUNK):
        rng = scene_rng(seed, split, start + row)
        scene = draw_scene(world, rng, split)
        quality = int(rng.integers(70, 98))
        _, code = cv2.imencode(".jpg", scene.pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        pixels[row] = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]
        owner[row], count[row] = scene.owner, len(scene.things)
        for i, thing in enumerate(scene.things):
            kinds[row, i] = SHAPES.index(thing.shape), colours.index(thing.colour), TEXTURES.index(thing.texture)
            sizes[row, i] = tuple(SIZES).index(thing.size)
            boxes[row, i] = scene.box(i)
    return {"pixels": pixels, "owner": owner, "count": count, "kinds": kinds, "sizes": sizes, "boxes": boxes}


def main() -> None:
    """Draw what is missing of `--scenes` scenes of a split into OUT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=int, default=40_000)
    parser.add_argument("--split", default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    missing = [
        start
        for start in range(0, arguments.scenes, CHUNK)
        if not (arguments.out / f"{arguments.split}-{start:06d}.npz").exists()
    ]
    with ProcessPoolExecutor(arguments.workers) as pool:
        jobs = [(arguments.seed, arguments.split, start) for start in missing]
        for start, arrays in zip(missing, pool.map(draw, jobs), strict=True):
            path = arguments.out / f"{arguments.split}-{start:06d}.npz"
            partial = path.with_suffix(".part.npz")
            np.savez(partial, **arrays)
            partial.replace(path)


def load(folder: Path, split: str, most: int | None = None) -> dict[str, np.ndarray]:
    """All arrays of a split, joined; at most the first `most` chunks."""
    paths = sorted(path for path in folder.glob(f"{split}-*.npz") if ".part" not in path.name)[:most]
    parts = [dict(np.load(path)) for path in paths]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


if __name__ == "__main__":
    main()
