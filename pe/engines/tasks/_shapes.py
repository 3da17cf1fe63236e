"""From objects of a record to what an answer says of them, and to what is true of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from pe.formats import Answer, Format, Item, Point, Size
from pe.geometry.masks import Mask, decode, encode, interior_point
from pe.geometry.raster import rings_to_mask
from pe.geometry.rings import mask_to_rings, signed_area
from pe.schemas.sample import Object, Sample

_WRAPPERS = re.compile(r"<answer>\s*(.*?)\s*</answer>|```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_NAMELESS = ("<|object_ref_start|><|object_ref_end|>", "<phrase></phrase>")


def size_of(sample: Sample) -> Size:
    """(width, height) of the picture."""
    return sample.width, sample.height


def seen_of(sample: Sample) -> Size | None:
    """(width, height) of what the model sees, where the record says it."""
    seen = sample.input_width, sample.input_height
    return seen if min(seen) > 0 else None


def in_order(objects: Iterable[Object]) -> list[Object]:
    """By the left edge, then the top one."""
    return sorted(objects, key=lambda item: (*item.bbox, item.id))


def point_of(item: Object, image: Size) -> Point:
    """A point on the object: its own, else the one deepest in its mask, else the middle of its box."""
    if item.point is not None:
        return item.point
    mask = mask_of(item, image)
    deepest = interior_point(mask) if mask is not None else None
    x0, y0, x1, y1 = item.bbox
    return deepest or ((x0 + x1) / 2, (y0 + y1) / 2)


def mask_of(item: Object, image: Size) -> Mask | None:
    """The object's mask, drawn from its rings where the record has those alone; None for a box or a point."""
    if item.mask is not None:
        return decode(item.mask)
    if item.rings:
        return rings_to_mask(item.rings, image[1], image[0], item.orientation or "cw")
    return None


def rings_of(item: Object, form: Format, holes: bool) -> tuple[tuple[float, ...], ...] | str:
    """The outer rings of the object as `form` can write them, or why it cannot.

    No format writes holes: an object with one is refused unless `holes` says that its outer rings will do. A mask
    without rings is traced at the default tolerance.
    """
    rings = [ring for ring in item.rings or [] if len(ring) >= 6]
    if not rings and item.mask is not None:
        rings = [ring.ravel().tolist() for ring in mask_to_rings(decode(item.mask))]
    if not rings:
        return "an object has no mask and no rings"
    outer = _outer(rings, item.orientation is not None or not item.rings)
    if len(outer) < len(rings) and not holes:
        return "an object has a hole, which no format writes"
    if len(outer) > 1 and not form.parts:
        return "an object has several parts, the format writes one ring"
    if form.corners and any(len(ring) != 2 * form.corners for ring in outer):
        return f"the format writes rings of {form.corners} vertices only"
    return tuple(map(tuple, outer))


def target(item: Object, phrase: str, **more: Any) -> dict[str, Any]:
    """The object in a truth: its phrase and box, and `more`."""
    return {"phrase": phrase, "bbox": list(item.bbox), **more}


def mask_target(item: Object, phrase: str, image: Size) -> dict[str, Any]:
    """The object in a truth with its mask as run lengths, where it has one."""
    rle = item.mask
    if rle is None and item.rings:
        mask = mask_of(item, image)
        rle = encode(mask) if mask is not None else None
    return target(item, phrase, **({"mask": rle.model_dump(mode="json")} if rle is not None else {}))


def shown(items: Sequence[Item], form: Format, sample: Sample) -> str:
    """The coordinates of `items` as they stand in a question: as `form` writes them, without tags around them."""
    texts = []
    for item in items:
        text = form.encode(Answer((item,)), size_of(sample), seen_of(sample))
        while match := _WRAPPERS.search(text):
            text = match[1] or match[2] or ""
        for mark in _NAMELESS:
            text = text.removeprefix(mark)
        if text.startswith("[") and "{" in text:
            text = text[1:-1]
        texts.append(text.strip())
    return ", ".join(texts)


def _outer(rings: list[list[float]], signed: bool) -> list[list[float]]:
    """The rings that are no holes: those of the largest one's sense where senses tell, else those inside no other."""
    if len(rings) == 1:
        return rings
    points = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in rings]
    if signed:
        areas = [signed_area(ring) for ring in points]
        sense = max(areas, key=abs)
        return [ring for ring, area in zip(rings, areas, strict=True) if area * sense > 0]
    return [
        rings[place]
        for place, ring in enumerate(points)
        if not any(
            other != place and cv2.pointPolygonTest(outside.astype(np.float32), tuple(map(float, ring[0])), False) > 0
            for other, outside in enumerate(points)
        )
    ]
