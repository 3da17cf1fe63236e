"""From a mask to what a record keeps of it: run lengths, rings, their IoU with the mask, an interior point."""

from __future__ import annotations

from typing import Literal

from pe.annotators.base import Dropped, Instance, Segment
from pe.geometry.fit import fit_rings
from pe.geometry.masks import encode, interior_point, mask_iou, mask_window
from pe.geometry.raster import Orientation, rings_to_mask
from pe.geometry.rings import mask_to_rings
from pe.schemas.sample import Object, to_grid


def shape_object(
    instance: Instance,
    segment: Segment | None,
    epsilon: float,
    orientation: Orientation,
    simplify: Literal["dp", "fit"] = "dp",
) -> Object | Dropped:
    """The record's object for `instance`; Dropped when its mask is absent or empty, or its box has no area.

    `epsilon` is that of `mask_to_rings` with `simplify` "dp" (Douglas-Peucker) and that of `fit_rings` with "fit".
    Without a segment the object is its box alone. Its id, 0 here, is its place among the picture's objects.

    Raises ValueError for "fit" with orientation "simpleseg-compat".
    """
    x0, y0, x1, y1 = (to_grid(value) for value in instance.box)
    box = (x0, y0, x1, y1)
    if x0 >= x1 or y0 >= y1:
        return Dropped(instance.phrase, box, "degenerate", instance.score)
    if segment is None:
        return Object(id=0, phrase=instance.phrase, score=instance.score, bbox=box)
    if segment.mask is None:
        return Dropped(instance.phrase, box, segment.reason or "no_mask", instance.score)
    window = mask_window(segment.mask)
    if window is None:
        return Dropped(instance.phrase, box, "empty_mask", instance.score)
    crop = segment.mask[window]
    if simplify == "dp":
        rings = mask_to_rings(crop, epsilon, orientation)
    elif orientation == "simpleseg-compat":
        raise ValueError("fitted rings have no orientation simpleseg-compat")
    else:
        rings = fit_rings(crop, epsilon, orientation)
    drawn = rings_to_mask(rings, crop.shape[0], crop.shape[1], orientation)
    offset = (window[1].start, window[0].start)
    point = interior_point(crop)
    return Object(
        id=0,
        phrase=instance.phrase,
        score=instance.score,
        bbox=box,
        mask=encode(segment.mask),
        rings=[(ring + offset).ravel().tolist() for ring in rings],
        orientation=orientation,
        epsilon=epsilon,
        ring_iou=mask_iou(drawn, crop),
        predicted_iou=segment.predicted_iou,
        stability=segment.stability,
        point=None if point is None else (point[0] + offset[0], point[1] + offset[1]),
    )
