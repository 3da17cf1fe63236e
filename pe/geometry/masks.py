"""Masks: COCO run lengths, COCO segmentations, overlap, extent, and a point inside."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from pe.schemas.sample import Rle

Mask = npt.NDArray[np.bool_]

_FAR = 1e5


def encode(mask: Mask) -> Rle:
    """COCO's compressed run lengths of a (H, W) bool `mask`."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return Rle(size=mask.shape, counts=rle["counts"].decode("ascii"))


def decode(rle: Rle) -> Mask:
    """The (H, W) bool mask of COCO's compressed run lengths; raises ValueError when they do not fill `rle.size`."""
    return _draw(_read_counts(rle.counts), *rle.size)


def segmentation_to_mask(segmentation: Any, height: int, width: int) -> Mask:
    """A COCO annotation's `segmentation` as a (height, width) bool mask, drawn by COCO's own rasteriser.

    Takes a list of flat polygons (their union, so COCO polygons have no holes), run lengths as a list, and compressed
    run lengths. Raises ValueError for anything else: no polygon, an odd number of coordinates, fewer than 6 (COCO would
    read 4 as a box), values that are not numbers or far outside, run lengths that do not fill the image.
    """
    if isinstance(segmentation, list):
        polygons = [_check_polygon(polygon) for polygon in segmentation]
        if not polygons:
            raise ValueError("a segmentation without polygons")
        merged = coco.merge(coco.frPyObjects(polygons, height, width))
        return _draw(_read_counts(merged["counts"].decode("ascii")), height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError(f"a segmentation is polygons or run lengths, not {type(segmentation).__name__}")
    if segmentation.get("size") not in ([height, width], (height, width)):
        raise ValueError(f"run lengths of size {segmentation.get('size')} for an image of {height} x {width}")
    counts = segmentation["counts"]
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, str):
        return _draw(_read_counts(counts), height, width)
    if not isinstance(counts, list) or not all(type(count) is int for count in counts):
        raise ValueError("run lengths are a list of whole numbers or a string")
    return _draw(np.array(counts, np.float64), height, width)


def mask_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two bool masks of one shape; two empty masks agree, 1.0."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def mask_window(mask: Mask) -> tuple[slice, slice] | None:
    """The (rows, columns) slices of the smallest window that holds all set pixels, or None for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return slice(top, bottom), slice(int(columns[0]), int(columns[-1]) + 1)


def interior_point(mask: Mask) -> tuple[float, float] | None:
    """The centre (x + 0.5, y + 0.5) of the set pixel farthest from all unset ones and the border; None if empty.

    Distance is the 5x5 chamfer approximation of the Euclidean one (Borgefors 1986, within 2 %). Of several equally deep
    pixels the one nearest to the mask's centroid wins, then the smallest (y, x).
    """
    window = mask_window(mask)
    if window is None:
        return None
    crop = np.pad(mask[window].astype(np.uint8), 1)
    # DIST_MASK_PRECISE gives other last bits from call to call (OpenCV 5.0); the 5x5 chamfer counts in integers.
    depth = cv2.distanceTransform(crop, cv2.DIST_L2, cv2.DIST_MASK_5)
    y, x = np.nonzero(depth == depth.max())
    moments = cv2.moments(crop, binaryImage=True)
    away = (x - moments["m10"] / moments["m00"]) ** 2 + (y - moments["m01"] / moments["m00"]) ** 2
    best = int(away.argmin())
    return float(x[best] - 1 + window[1].start) + 0.5, float(y[best] - 1 + window[0].start) + 0.5


def _check_polygon(polygon: Any) -> list[float]:
    try:
        points = np.asarray(polygon, np.float64)
    except (TypeError, ValueError):
        raise ValueError("a polygon holds something that is not a number") from None
    if points.ndim != 1 or points.size < 6 or points.size % 2:
        raise ValueError(f"a polygon is 6 or more numbers in x, y pairs, not {points.size} of shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("a polygon holds a coordinate that is not a finite number")
    # COCO's rasteriser walks every edge in fifths of a pixel, however far it goes
    if np.abs(points).max() > _FAR:
        raise ValueError(f"a polygon goes {np.abs(points).max():.0f} px out")
    return list(map(float, points))


def _draw(runs: npt.NDArray[np.float64], height: int, width: int) -> Mask:
    """Runs of unset and set pixels in turn, column by column; checked, as pycocotools reads past their end."""
    if min(height, width) < 0 or (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"run lengths that do not fill {height} x {width} pixels")
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs.astype(np.int64))
    return np.ascontiguousarray(pixels.reshape(width, height).T)


def _read_counts(counts: str) -> npt.NDArray[np.float64]:
    """The run lengths behind COCO's string: 5 bits a character, bit 6 to go on, from the third on as differences."""
    codes = np.frombuffer(counts.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if ((codes < 0) | (codes > 63)).any() or (len(codes) and codes[-1] & 32):
        raise ValueError("a run-length string that is not COCO's")
    last = np.flatnonzero(~codes & 32)
    first = np.append(0, last[:-1] + 1)[: len(last)]
    size = last - first + 1
    if (size > 7).any():
        raise ValueError("a run-length string that is not COCO's")
    place = np.arange(len(codes)) - np.repeat(first, size)
    values = np.add.reduceat((codes & 31) << (5 * place), first) if len(codes) else codes
    values = np.where(codes[last] & 16, values - (1 << (5 * size)), values)
    runs = values.astype(np.float64)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
