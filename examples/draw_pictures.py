"""Draw pictures of coloured shapes with exact ground truth: `python draw_pictures.py FOLDER [COUNT]`.

Writes COUNT (default 24) JPEGs and instances.json in COCO form (boxes and polygons of the visible shapes).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 320, 240
SHAPES = ("circle", "square", "triangle", "star", "ring")
COLOURS = {"red": (40, 40, 210), "green": (60, 160, 50), "blue": (200, 90, 40), "yellow": (40, 200, 230)}

Array = npt.NDArray[np.uint8]


def background(rng: np.random.Generator) -> Array:
    """A smooth two-colour gradient with grain, (H, W, 3) uint8 BGR."""
    corners = rng.integers(90, 230, (2, 2, 3)).astype(np.uint8)
    smooth = cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.int16)
    grain = rng.normal(0, 6, (HEIGHT, WIDTH, 1)).astype(np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def shape_mask(shape: str, x: int, y: int, radius: int) -> Array:
    """A filled shape around (x, y), (H, W) uint8 of 0 and 1."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if shape in ("circle", "ring"):
        cv2.circle(mask, (x, y), radius, 1, -1)
        if shape == "ring":
            cv2.circle(mask, (x, y), radius // 2, 0, -1)
    elif shape == "square":
        cv2.rectangle(mask, (x - radius, y - radius), (x + radius, y + radius), 1, -1)
    else:
        tips = 3 if shape == "triangle" else 10
        angles = np.arange(tips) * 2 * np.pi / tips - np.pi / 2
        reach = np.where(np.arange(tips) % 2, 0.45, 1.0) * radius if shape == "star" else np.full(tips, radius)
        points = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], 1)
        cv2.fillPoly(mask, [points.round().astype(np.int32)], 1)
    return mask


def draw(rng: np.random.Generator) -> tuple[Array, list[tuple[str, Array]]]:
    """A picture and its (name, visible mask) pairs; later shapes hide earlier ones."""
    picture = background(rng)
    shapes: list[tuple[str, Array]] = []
    for _ in range(int(rng.integers(1, 6))):
        colour, shape = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))
        radius = int(rng.integers(18, 46))
        x, y = int(rng.integers(radius, WIDTH - radius)), int(rng.integers(radius, HEIGHT - radius))
        mask = shape_mask(shape, x, y, radius)
        tint = np.array(COLOURS[colour]) + rng.integers(-20, 20, 3)
        picture[mask > 0] = np.clip(tint + rng.normal(0, 5, (int(mask.sum()), 1)), 0, 255).astype(np.uint8)
        shapes = [(name, earlier & ~mask & 1) for name, earlier in shapes]
        shapes.append((f"{colour} {shape}", mask))
    return picture, [(name, mask) for name, mask in shapes if mask.sum() > 60]


def main(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    names = sorted(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
    images, annotations = [], []
    for number in range(1, count + 1):
        picture, shapes = draw(rng)
        file_name = f"{number:04d}.jpg"
        cv2.imwrite(str(folder / file_name), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        images.append({"id": number, "file_name": file_name, "width": WIDTH, "height": HEIGHT})
        for name, mask in shapes:
            x, y, width, height = cv2.boundingRect(mask)
            contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            polygons = [contour.reshape(-1).astype(float).tolist() for contour in contours if len(contour) >= 3]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": names.index(name) + 1,
                    "bbox": [x, y, width, height],
                    "area": int(mask.sum()),
                    "segmentation": polygons,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(truth))
    print(f"{folder}: {count} pictures, {len(annotations)} shapes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=24)
    arguments = parser.parse_args()
    main(arguments.folder, arguments.count)
