"""How well two masks agree along their borders."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from pe.geometry.masks import mask_window

Mask = npt.NDArray[np.bool_]

TOLERANCE = 0.008
"""Pixels that two borders may lie apart, as a fraction of the picture's diagonal."""


def boundary_f(mask: Mask, truth: Mask, reach: int | None = None) -> float:
    """The boundary measure F of DAVIS of two (H, W) bool masks, 0..1: Perazzi et al. 2016, after Martin et al. 2004.

    Precision is the share of the mask's border pixels that are at most `reach` pixels (by default ceil(TOLERANCE *
    diagonal)) from the truth's border, recall the other way round, F their harmonic mean: DAVIS's db_eval_boundary. A
    border pixel differs from its right, lower or lower right neighbour; the picture's edge is no border. Two masks
    without any agree, 1.0. Masks may be windows of a larger picture that hold a pixel more all round than is set.
    """
    if reach is None:
        reach = math.ceil(TOLERANCE * math.hypot(*mask.shape))
    borders = [_border(mask), _border(truth)]
    window = mask_window(borders[0] | borders[1])
    if window is None:
        return 1.0
    drawn, true = (border[window] for border in borders)
    if not drawn.any() or not true.any():
        return 0.0
    precision = float(_near(true, reach)[drawn].mean())
    recall = float(_near(drawn, reach)[true].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _border(mask: Mask) -> Mask:
    border = np.zeros_like(mask)
    border[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    border[:-1] |= mask[:-1] != mask[1:]
    border[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return border


def _near(border: Mask, reach: int) -> Mask:
    """Pixels at most `reach` from `border`: what DAVIS finds by dilation with a disk, at a cost that does not grow."""
    far = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squared distances are whole numbers, so that half way to the next one no last bit of a root decides.
    near: Mask = far < math.sqrt(reach * reach + 0.5)
    return near
