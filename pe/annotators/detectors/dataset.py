"""Boxes from a COCO, LVIS or YOLO annotation file."""

from __future__ import annotations

from collections.abc import Sequence

from pe.annotators.annotation_files import AnnotatedImage, AnnotationFile
from pe.annotators.base import AdapterSettings, Detections, Detector, Dropped, Instance, ModelInfo
from pe.annotators.detectors._classes import Classes
from pe.annotators.detectors._finish import clipped, distinct
from pe.annotators.load_annotations import load_annotations
from pe.errors import InputError, SampleError
from pe.shards.pictures import Picture

__all__ = ["DatasetDetector"]


class DatasetDetector(Detector):
    """The objects of `settings.annotations`, with score 1.0 and the annotation's id in `ref`.

    Crowds and boxes without area are dropped by name, and so are the objects of a category that the file calls not
    exhaustively annotated in the picture: nobody knows all of them. Negatives are the categories known to be absent:
    LVIS's `neg_category_ids`, otherwise every category that the picture lacks. Phrases, when asked for, must be
    categories of the file (case and underscores do not matter); then only these are given.
    """

    needs_phrases = False
    needs_pixels = False

    def __init__(self, settings: AdapterSettings, file: AnnotationFile | None = None) -> None:
        """`file` is what `settings.annotations` say, where that has been read."""
        super().__init__(settings)
        if not settings.annotations:
            raise InputError("detector dataset needs --annotations: a COCO or LVIS JSON, YOLO's data.yaml or labels")
        self._file = file or load_annotations(settings.annotations)
        self._classes = Classes(self._file.categories)

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("dataset", self._file.path.name, sha256=self._file.sha256, license=self._file.license)

    def refuse(self, picture: Picture) -> tuple[str, str] | None:
        found = self._file.find(picture.source)
        if not found:
            return "not_annotated", f"the annotation file has no picture {picture.source}"
        if len(found) > 1:
            names = ", ".join(image.name for image in found[:3])
            return "not_annotated", f"{picture.source} can be {len(found)} pictures of the annotation file: {names}"
        width, height = found[0].width, found[0].height
        if width and height and (width, height) != (picture.width, picture.height):
            sizes = f"{width}x{height}, the picture is {picture.width}x{picture.height}"
            return "annotation_size", f"the annotation file says {sizes}"
        return None

    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        return [self._one(picture, asked) for picture, asked in zip(pictures, phrases, strict=True)]

    def _one(self, picture: Picture, asked: Sequence[str]) -> Detections:
        refusal = self.refuse(picture)
        if refusal:
            raise SampleError(*refusal)
        image: AnnotatedImage = self._file.find(picture.source)[0]
        names = self._names(distinct(asked))
        detections = Detections()
        wide, high = (picture.width, picture.height) if image.fractions else (1, 1)
        for annotation in image.annotations:
            if annotation.category not in names:
                continue
            phrase = names[annotation.category]
            x0, y0, x1, y1 = annotation.box
            box, alive = clipped((x0 * wide, y0 * high, x1 * wide, y1 * high), picture.width, picture.height)
            if annotation.crowd or not alive:
                detections.dropped.append(Dropped(phrase, box, "crowd" if annotation.crowd else "degenerate", 1.0))
            elif annotation.category in image.not_exhaustive:
                detections.dropped.append(Dropped(phrase, box, "not_exhaustive", 1.0))
            else:
                detections.instances.append(Instance(phrase, 1.0, box, annotation.id))
        detections.negatives = [names[name] for name in self._file.negatives(image) if name in names]
        return detections

    def _names(self, asked: Sequence[str]) -> dict[str, str]:
        """{category: the phrase to report it as} of what is asked for."""
        known, unknown = self._classes.match(asked)
        if unknown:
            raise InputError(f"{self._file.path}: no category is called {self._classes.describe(unknown)}")
        return known or {name: name for name in self._classes.names}
