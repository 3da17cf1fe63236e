"""Masks from colour alone: GrabCut (Rother, Kolmogorov, Blake 2004) around an ellipse in the box, no weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from pe.annotators.base import Box, Instance, ModelInfo, Segment, Segmenter
from pe.shards.pictures import Picture

__all__ = ["GrabCut"]

MARGIN = 0.25
# Above 160 the mask gets no better and the graph cut up to six times slower; below 64 there are too few colours.
SIDES = (64, 160)
ITERATIONS = 2
# Share of the box's half axes: inside the core is foreground for certain, beyond CORNER background at first. Without a
# certain core GrabCut loses a third of all objects entirely; a small one leaves thin shapes alone, so the large one is
# taken only when the small one finds less than LEAST of the box.
CORES, CORNER, LEAST = (0.3, 0.8), 1.2, 0.35


class GrabCut(Segmenter):
    """Splits each box's crop (a quarter more on every side) into foreground and background by colour.

    An ellipse in the middle of the box always belongs to the object. Same pixels and box, same mask, in any thread:
    OpenCV keeps its random generator per thread and it is seeded for each box.
    """

    parallel = True

    @property
    def info(self) -> ModelInfo:
        """OpenCV's version stands for the revision."""
        return ModelInfo("grabcut", model="opencv-grabcut", revision=cv2.__version__, license="Apache-2.0")

    def segment(self, picture: Picture, instances: Sequence[Instance]) -> Iterator[Segment]:
        """One mask per instance, inside the pixels its box touches; "empty_mask" for a box outside the picture."""
        return (_segment(picture.array, instance.box) for instance in instances)


def _segment(pixels: npt.NDArray[np.uint8], box: Box) -> Segment:
    height, width = pixels.shape[:2]
    x0, y0 = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
    x1, y1 = min(math.ceil(box[2]), width), min(math.ceil(box[3]), height)
    if x0 >= x1 or y0 >= y1:
        return Segment(None, reason="empty_mask")
    dx, dy = math.ceil(MARGIN * (x1 - x0)), math.ceil(MARGIN * (y1 - y0))
    left, top = max(x0 - dx, 0), max(y0 - dy, 0)
    crop = pixels[top : min(y1 + dy, height), left : min(x1 + dx, width)]
    mask = np.zeros((height, width), bool)
    inside = mask[y0:y1, x0:x1]
    for core in CORES:
        labels = _cut(crop, (x0 - left, y0 - top, x1 - left, y1 - top), core)
        inside[...] = labels[y0 - top : y1 - top, x0 - left : x1 - left]
        if np.count_nonzero(inside) >= LEAST * inside.size:
            break
    if not mask.any():  # a sliver of a pixel or two, lost between the two resolutions
        mask[y0:y1, x0:x1] = True
    return Segment(mask)


def _cut(crop: npt.NDArray[np.uint8], box: tuple[int, int, int, int], core: float) -> npt.NDArray[np.bool_]:
    """Foreground of `crop` (h, w, 3) for a box in its pixels: (h, w) bool. `core` is a share of the box's half axes."""
    height, width = crop.shape[:2]
    longest = max(height, width)
    scale = float(np.clip(longest, *SIDES)) / longest
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)

    x = (np.arange(size[0]) + 0.5) * (width / size[0])
    y = (np.arange(size[1]) + 0.5) * (height / size[1])
    u = (x - (box[0] + box[2]) / 2) / ((box[2] - box[0]) / 2)
    v = (y - (box[1] + box[3]) / 2) / ((box[3] - box[1]) / 2)
    radius = np.hypot(u, v[:, None])
    inside = np.maximum(np.abs(u), np.abs(v)[:, None]) <= 1
    labels = np.full(radius.shape, cv2.GC_BGD, np.uint8)
    labels[inside] = cv2.GC_PR_BGD
    labels[inside & (radius <= CORNER)] = cv2.GC_PR_FGD
    labels[radius <= core] = cv2.GC_FGD
    background = labels % 2 == 0
    # A picture one pixel wide has no corners to learn a background from, a sliver of a box no core.
    if background.any() and not background.all():
        cv2.setRNGSeed(0)
        colours = np.zeros((2, 1, 65))
        cv2.grabCut(small, labels, (0, 0, 0, 0), colours[0], colours[1], ITERATIONS, cv2.GC_INIT_WITH_MASK)
    foreground = (labels % 2 * 255).astype(np.uint8)
    shrink = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(foreground, (width, height), interpolation=shrink) > 127
