"""One picture's labels against its truth: overlaps, who is whose, and how well a pair agrees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco

from pe.evaluation.truth import TrueObject
from pe.geometry.boundary import boundary_f
from pe.geometry.boxes import to_xywh
from pe.geometry.masks import decode, mask_iou
from pe.geometry.matching import Overlaps, hungarian
from pe.geometry.raster import rings_to_mask
from pe.schemas.sample import Object, Rle

HIT = 0.5
"""The IoU from which a label is a hit."""


class Compared:
    """N labels of one picture and M truths.

    `boxes` and `masks` are their (N, M) IoUs by pycocotools, with a crowd the share of the label that lies in it; 0
    where one of the two has no mask. `crowd` (M,) bool tells regions from objects.
    """

    def __init__(self, labels: Sequence[Object], truths: Sequence[TrueObject]) -> None:
        self._labels = labels
        self._truths = truths
        self.crowd = np.array([item.crowd for item in truths], bool)
        sides = (to_xywh([item.bbox for item in labels]), to_xywh([item.box for item in truths]))
        self.boxes = np.zeros((len(labels), len(truths)))
        if self.boxes.size:
            self.boxes[:] = coco.iou(*sides, self.crowd.tolist())
        self.masks = np.zeros_like(self.boxes)
        rows = [i for i, item in enumerate(labels) if item.mask is not None]
        columns = [j for j, item in enumerate(truths) if item.mask is not None]
        if rows and columns:
            runs = [_runs([side[k].mask for k in kept]) for side, kept in ((labels, rows), (truths, columns))]
            self.masks[np.ix_(rows, columns)] = coco.iou(*runs, self.crowd[columns].tolist())

    def match(self, overlaps: Overlaps, rows: list[int], columns: list[int]) -> tuple[dict[int, int], list[int]]:
        """{label: its truth} among `rows` and `columns` of `overlaps`, and those labels that count.

        A label without a truth that lies in a crowd does not count.
        """
        real = [j for j in columns if not self.crowd[j]]
        regions = [j for j in columns if self.crowd[j]]
        pairs = {rows[i]: real[j] for i, j in hungarian(overlaps[np.ix_(rows, real)], HIT)}
        return pairs, [i for i in rows if i in pairs or not (overlaps[i, regions] >= HIT).any()]

    def agreement(self, row: int, column: int) -> dict[str, float]:
        """How well label `row` fits truth `column`, whatever both have the shapes for."""
        label, truth = self._labels[row], self._truths[column]
        values = {"box_iou": float(self.boxes[row, column])}
        if truth.mask is None:
            return values
        there = decode(truth.mask)
        if label.rings:
            height, width = there.shape
            drawn = rings_to_mask(label.rings, height, width, label.orientation or "cw")
            values["ring_iou"] = mask_iou(drawn, there)
        if label.mask is not None:
            iou = values["mask_iou"] = float(self.masks[row, column])
            values["boundary_f"] = boundary_f(decode(label.mask), there)
            if label.predicted_iou is not None:
                values["predicted_iou_error"] = abs(label.predicted_iou - iou)
        return values


def _runs(masks: Sequence[Rle | None]) -> list[dict[str, object]]:
    return [{"size": list(mask.size), "counts": mask.counts.encode()} for mask in masks if mask is not None]
