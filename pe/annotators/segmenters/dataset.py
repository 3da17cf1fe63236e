"""Masks from the polygons or RLE of the annotation file that the boxes came from, by COCO's own rasteriser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from pe.annotators.annotation_files import Annotation, AnnotationFile
from pe.annotators.base import AdapterSettings, Instance, Mask, ModelInfo, Segment, Segmenter
from pe.annotators.load_annotations import load_annotations
from pe.errors import InputError
from pe.geometry.masks import segmentation_to_mask
from pe.shards.pictures import Picture

__all__ = ["DatasetSegmenter"]


class DatasetSegmenter(Segmenter):
    """The mask of each instance's `ref` in `settings.annotations`; only together with the detector of the same name.

    No segmentation gives reason "no_mask", one that covers no pixel "empty_mask", run
    lengths that do not fill the picture "bad_mask".
    """

    parallel: ClassVar[bool] = True
    needs_pixels: ClassVar[bool] = False

    def __init__(self, settings: AdapterSettings, file: AnnotationFile | None = None) -> None:
        """`file` is what `settings.annotations` say, where that has been read."""
        super().__init__(settings)
        if not settings.annotations:
            raise InputError("segmenter dataset needs --annotations: a COCO or LVIS JSON, YOLO's data.yaml or labels")
        self._file = file or load_annotations(settings.annotations)

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("dataset", self._file.path.name, sha256=self._file.sha256, license=self._file.license)

    def segment(self, picture: Picture, instances: Sequence[Instance]) -> Iterator[Segment]:
        if any(not instance.ref for instance in instances):
            raise InputError("segmenter dataset needs detector dataset: these boxes come from no annotation")
        found = self._file.find(picture.source)
        annotations = {item.id: item for item in found[0].annotations} if len(found) == 1 else {}
        fractions = bool(found) and found[0].fractions
        for instance in instances:
            annotation = annotations.get(instance.ref)
            if annotation is None or not annotation.segmentation:
                yield Segment(None, reason="no_mask")
                continue
            try:
                mask = annotation_mask(annotation, picture.width, picture.height, fractions)
            except ValueError:
                yield Segment(None, reason="bad_mask")
                continue
            yield Segment(mask) if mask.any() else Segment(None, reason="empty_mask")


def annotation_mask(annotation: Annotation, width: int, height: int, fractions: bool) -> Mask:
    """(height, width) bool, as pycocotools' annToMask gives it."""
    if isinstance(annotation.segmentation, bytes):
        rle = {"size": [height, width], "counts": annotation.segmentation}
        return segmentation_to_mask(rle, height, width)
    rings = [np.asarray(ring) for ring in annotation.segmentation or ()]
    if fractions:
        rings = [ring * np.tile([width, height], len(ring) // 2) for ring in rings]
    return segmentation_to_mask(rings, height, width)
