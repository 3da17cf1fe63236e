"""Masks as the outlines that other tools can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco
from scipy.spatial import cKDTree

from pe.geometry.masks import Mask, decode, encode
from pe.geometry.raster import rings_to_mask
from pe.geometry.rings import mask_to_rings, signed_area
from pe.schemas.sample import Object, Rle

Ring = npt.NDArray[np.float64]


def object_mask(item: Object, height: int, width: int) -> Mask | None:
    """The mask of an object, drawn from its rings where it has no run lengths; None for a box alone."""
    if item.mask is not None:
        return decode(item.mask)
    if item.rings is not None:
        return rings_to_mask(item.rings, height, width, item.orientation or "cw")
    return None


def object_rings(item: Object, height: int, width: int) -> list[Ring]:
    """The rings of an object along pixel edges: its own, or exact ones of its mask; none for a box alone."""
    if item.rings and item.orientation in ("cw", "ccw", None):
        return [np.asarray(ring).reshape(-1, 2) for ring in item.rings]
    mask = object_mask(item, height, width)
    return [] if mask is None else mask_to_rings(mask, 0.0)


def coco_segmentation(item: Object, height: int, width: int) -> list[list[float]] | dict[str, Any] | None:
    """A COCO segmentation that draws the object's mask bit for bit; None for a box alone or an empty mask.

    Polygons where COCO's rasteriser makes the mask of them: the object's own rings, else exact ones. Run lengths for a
    mask with holes, which COCO polygons cannot hold, and where neither ring redraws it.
    """
    mask = object_mask(item, height, width)
    if mask is None or not mask.any():
        return None
    rle = item.mask or encode(mask)
    exact = mask_to_rings(mask, 0.0)
    if not has_holes(exact):
        for rings in (object_rings(item, height, width), exact):
            if not has_holes(rings) and _redraw(rings, rle):
                return [ring.ravel().tolist() for ring in rings]
    return {"size": list(rle.size), "counts": rle.counts}


def has_holes(rings: Sequence[Ring]) -> bool:
    """Whether rings of one sense have others of the other sense among them."""
    signs = {signed_area(ring) > 0 for ring in rings}
    return len(signs) > 1


def _redraw(rings: Sequence[Ring], rle: Rle) -> bool:
    height, width = rle.size
    merged = coco.merge(coco.frPyObjects([ring.ravel().tolist() for ring in rings], height, width))
    return bool(merged["counts"].decode("ascii") == rle.counts)


def join_rings(rings: Sequence[Ring]) -> Ring:
    """All rings as one (N, 2) ring: holes and further parts hang on the first by bridges of no width, there and back.

    A bridge is crossed twice, so the ring covers the same pixels by even-odd as the rings together. Raises ValueError
    for no ring at all.
    """
    if not rings:
        raise ValueError("no rings to join")
    joined = np.asarray(rings[0], np.float64)
    for ring in rings[1:]:
        distance, near = cKDTree(joined).query(ring)
        start = int(np.argmin(distance))
        anchor = int(near[start])
        loop = np.concatenate([ring[start:], ring[: start + 1]])
        joined = np.concatenate([joined[: anchor + 1], loop, joined[anchor:]])
    return joined
