"""YOLOX and YOLO-style detectors exported to ONNX, with onnxruntime.

YOLOX (https://github.com/Megvii-BaseDetection/YOLOX): picture top left on a 114 canvas, BGR 0..255; rows of x, y, w, h,
objectness and classes per cell of strides 8, 16, 32. YOLO (https://github.com/ultralytics/ultralytics): picture in the
middle of a 114 canvas, RGB 0..1; v5 gives [1, N, 5 + C], v8 and later [1, 4 + C, N], end-to-end exports [1, N, 6].
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property

from pe.annotators.base import AdapterSettings, Detections, Detector, ModelInfo
from pe.annotators.checkpoints import resolve
from pe.annotators.detectors._classes import Classes
from pe.annotators.detectors._finish import distinct, finish
from pe.errors import InputError
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["OnnxDetector"]

log = logging.getLogger("pe")


class OnnxDetector(Detector):
    """A detector with a fixed list of classes; one class a box (the best), scores as the export means them.

    Without phrases every class is asked for. A phrase that no class has can be neither found nor missed, so it is
    left out of the negatives and logged once; InputError when none of the phrases is a class.
    """

    needs_phrases = False

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        require("detector onnx", "onnx", "onnxruntime")
        from pe.annotators.detectors._yolo import Export

        if not settings.model:
            raise InputError("detector onnx needs --detector-model: a YOLOX or YOLO export (.onnx) or a short name")
        self._checkpoint = resolve("onnx", settings.model)
        self._export = Export(self._checkpoint.path, settings)
        self._classes = Classes(self._export.names)
        self._logged: set[str] = set()

    @cached_property
    def _info(self) -> ModelInfo:
        known = self._checkpoint.info
        return ModelInfo("onnx", known.model, known.revision, known.sha256, known.license or self._export.license)

    @property
    def info(self) -> ModelInfo:
        return self._info

    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        asked = [self._asked(distinct(words)) for words in phrases]
        results: list[Detections] = []
        for start in range(0, len(pictures), self.settings.batch_size):
            batch = pictures[start : start + self.settings.batch_size]
            found = self._export.run([picture.array for picture in batch], self.settings.box_threshold)
            for picture, (boxes, scores, labels), names in zip(
                batch, found, asked[start : start + len(batch)], strict=True
            ):
                words = [names.get(name, "") for name in self._export.names]
                wanted = [bool(words[label]) for label in labels]
                results.append(
                    finish(
                        boxes[wanted],
                        scores[wanted],
                        labels[wanted],
                        words,
                        (picture.width, picture.height),
                        self.settings.nms_threshold,
                        asked=list(names.values()),
                        keep_suppressed=False,
                    )
                )
        return results

    def _asked(self, phrases: Sequence[str]) -> dict[str, str]:
        """{class: the phrase to report it as}."""
        if not phrases:
            return {name: name for name in self._classes.names}
        known, unknown = self._classes.match(phrases)
        if not known:
            raise InputError(f"{self._checkpoint.path}: no class is called {self._classes.describe(unknown)}")
        new = [phrase for phrase in unknown if phrase not in self._logged]
        if new:
            self._logged.update(new)
            log.warning("the detector has no class for %s: not looked for", self._classes.describe(new))
        return known
