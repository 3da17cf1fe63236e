"""Contours as SimpleSeg's released code makes them, for data meant for its weights.

After `find_polygons` of songtianhui/SimpleSeg (arXiv 2601.19228): external borders through pixel centres, in OpenCV's
own order, direction (counter-clockwise on screen) and start; holes are lost, one pixel is a ring of one vertex.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt


def mask_to_centre_rings(mask: npt.NDArray[np.bool_], epsilon: float = 0.005) -> list[npt.NDArray[np.float64]]:
    """External contours of a (H, W) bool `mask`: (N, 2) arrays of x, y pixel centres as whole numbers.

    `epsilon` is the fraction of each contour's length given to approxPolyDP, applied even when it is 0. A ring may
    have one or two vertices.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [
        cv2.approxPolyDP(contour, epsilon * cv2.arcLength(contour, True), True)[:, 0].astype(np.float64)
        for contour in contours
    ]


def centre_rings_to_mask(rings: Sequence[npt.NDArray[np.float64]], height: int, width: int) -> npt.NDArray[np.bool_]:
    """The union of `rings`, each filled with its border by cv2.fillPoly after rounding to whole pixels.

    This undoes `mask_to_centre_rings` at epsilon 0 on a mask without holes. SimpleSeg's README decodes with COCO's
    rasteriser instead (`pe.geometry.masks.segmentation_to_mask`), which loses half a pixel all round.
    """
    canvas = np.zeros((height, width), np.uint8)
    for ring in rings:
        if len(ring):
            cv2.fillPoly(canvas, [np.rint(ring).astype(np.int32)], 1)
    return canvas.view(np.bool_)
