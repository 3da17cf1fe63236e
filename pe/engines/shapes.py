"""From a mask to what a record keeps of it: run lengths, rings, their IoU with the mask, an interior point."""

from __future__ import annotations

from pe.annotators.base import Dropped, Instance, Segment
from pe.geometry.masks import encode, interior_point, mask_iou, mask_window
from pe.geometry.raster import Orientation, rings_to_mask
from pe.geometry.rings import mask_to_rings
from pe.schemas.sample import Object, to_grid


def shape_object(
    instance: Instance, segment: Segment | None, epsilon: float, orientation: Orientation
) -> Object | Dropped:
    """The record's object for `instance`; Dropped when its mask is absent or empty, or its box has no area.

    `epsilon` is a fraction of each ring's perimeter, as in `mask_to_rings`. Without a segment the object is its
    box alone. Its id, 0 here, is its place among the picture's objects.
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
    rings = mask_to_rings(crop, epsilon, orientation)
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
