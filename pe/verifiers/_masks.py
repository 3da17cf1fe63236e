"""Masks of truths and of answers, drawn by the one rasteriser as runs, and their overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pe.formats import Decoded, Item
from pe.geometry.boxes import iou as box_iou
from pe.geometry.masks import decode
from pe.geometry.spans import Spans, from_mask, from_rings, overlap, rows_crossed
from pe.verifiers._base import Call
from pe.verifiers._labels import label
from pe.verifiers._pairing import alike
from pe.verifiers._truth import Target, Truth

_FAR = 2.0**24


@dataclass(frozen=True)
class Masks:
    """The masks of a truth: `labels`, `spans` and `boxes` (M, 4) of its objects; `size` is (H, W) of the image.

    `limit` is how many pixel rows the edges of one answer may cross. An outline crosses few rows more than twice its
    height; far more than the truth's own and the image's is a scribble, and to draw it would take long.
    """

    size: tuple[int, int]
    labels: tuple[str, ...]
    spans: tuple[Spans, ...]
    boxes: npt.NDArray[np.float64]
    limit: int


def masks(truth: Truth, call: Call) -> Masks:
    """The masks of `truth`, each from its run lengths or else its rings. Raises ValueError for an object without."""
    size = (call.image[1], call.image[0])
    spans = tuple(region(target, index, size) for index, target in enumerate(truth.objects))
    rows = sum(2 * len(item.starts) for item in spans)
    return Masks(
        size,
        tuple(label(target.phrase) for target in truth.objects),
        spans,
        np.array([item.box() for item in spans], np.float64).reshape(-1, 4),
        4 * rows + 16 * size[0] + 32_768,
    )


def region(target: Target, index: int, size: tuple[int, int]) -> Spans:
    """The mask of the `index`-th object of a truth about an image of `size` = (H, W)."""
    if target.mask is not None:
        if target.mask.size != size:
            raise ValueError(f"object {index}: a mask of {target.mask.size} for an image of {size} (height, width)")
        found = from_mask(decode(target.mask))
    elif target.rings is not None:
        found = from_rings(target.rings, size)
    else:
        raise ValueError(f"object {index} has neither a mask nor rings")
    if not found.area:
        raise ValueError(f"object {index} has a mask without a pixel")
    return found


def draw(answer: Decoded, truth: Masks) -> list[Spans] | None:
    """The objects of `answer` as masks, empty for one without rings; None beyond `Masks.limit`."""
    outlines = [item.rings or () for item in answer.objects]
    if sum(rows_crossed(rings, truth.size[0]) for rings in outlines) > truth.limit:
        return None
    return [from_rings(rings, truth.size) for rings in outlines]


def overlaps(answer: Decoded, drawn: Sequence[Spans], truth: Masks) -> npt.NDArray[np.float64]:
    """(N, M) IoU of the `drawn` objects of `answer` with those of `truth`; 0 where their labels differ."""
    values = np.zeros((len(drawn), len(truth.spans)))
    boxes = np.clip([_box(item) for item in answer.objects], -_FAR, _FAR)
    near = (box_iou(boxes, truth.boxes) > 0) & alike(answer, truth.labels)
    for i, j in zip(*near.nonzero(), strict=True):
        common = overlap(truth.spans[j], drawn[i])
        values[i, j] = common / (truth.spans[j].area + drawn[i].area - common)
    return values


def _box(item: Item) -> tuple[float, float, float, float]:
    """A box that holds every pixel of `item`, half a pixel larger all round than its rings; empty without rings."""
    if not item.rings:
        return 0.0, 0.0, 0.0, 0.0
    x = [value for ring in item.rings for value in ring[::2]]
    y = [value for ring in item.rings for value in ring[1::2]]
    return min(x) - 0.5, min(y) - 0.5, max(x) + 0.5, max(y) + 0.5
