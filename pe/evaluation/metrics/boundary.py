"""How well two masks agree along their borders."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
TOLERANCE = 0.008


def boundary_f(mask: Mask, truth: Mask, tolerance: float = TOLERANCE) -> float:
    """The boundary F-measure of DAVIS (Perazzi et al. 2016, after Martin et al. 2004) of two (H, W) masks.

    Precision is the share of the mask's border pixels within `tolerance` (a fraction of the picture's diagonal, at
    least one pixel) of the truth's border, recall the other way round. Two masks without a border agree: 1.0.
    """
    radius = max(1, math.ceil(tolerance * math.hypot(*mask.shape)))
    first, second = _border(mask), _border(truth)
    if not first.any() or not second.any():
        return float(not first.any() and not second.any())
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    precision = float((first & (cv2.dilate(second.astype(np.uint8), near) > 0)).sum() / first.sum())
    recall = float((second & (cv2.dilate(first.astype(np.uint8), near) > 0)).sum() / second.sum())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _border(mask: Mask) -> Mask:
    """Pixels of the mask with a neighbour (of four, or the picture's edge) that is none."""
    inner = cv2.erode(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), borderValue=0)
    border: Mask = mask & (inner == 0)
    return border
