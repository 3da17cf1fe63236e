"""Perception-R1's matching reward, for each of its tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from pe.formats import Decoded
from pe.geometry.boxes import area, iou
from pe.geometry.matching import hungarian
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._pairing import alike, places, text_similarity, true_places
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["PerceptionR1Verifier"]

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


_FORMATS = {"grounding": "qwen2-vl", "counting": "qwen2-vl", "detection": "qwen2.5-vl", "ocr": "text"}


class PerceptionR1Parameters(Parameters):
    """`task`: which Phi compares an answer with the truth. The format goes with it, unless it is named.

    `matching`: "sequential" compares the first object with the first truth, the second with the second and so on, as
    the paper's ablation does.
    """

    format: str = _FORMATS["grounding"]
    also: dict[str, dict[str, Any]] = Field(default={"format": {"signed": True}})
    task: Literal["grounding", "counting", "detection", "ocr"] = "grounding"
    matching: Literal["bipartite", "sequential"] = "bipartite"

    @model_validator(mode="before")
    @classmethod
    def _format_of_the_task(cls, value: Any) -> Any:
        if isinstance(value, dict) and "format" not in value:
            return {**value, "format": _FORMATS.get(str(value.get("task", "grounding")), "auto")}
        return value


class _Gold(NamedTuple):
    labels: tuple[str, ...]
    places: npt.NDArray[np.float64]
    text: str


class PerceptionR1Verifier(Verifier):
    """(1 / N) sum of Phi over the one-to-one pairs with the largest sum; N is the larger of the two counts.

    Phi is the IoU for grounding; 1 - distance / diagonal of the image for counting (points, or the centres of boxes);
    (IoU + [the label is right]) / 2 for detection, for boxes that overlap; 1 - edit distance / length of the longer
    text for OCR, where both are one text. In grounding and counting another label is worth 0. Detection is (this + F1
    of the counts of pairs) / 2, times 1 - 0.5 * share of truths without a pair. The format is +1 or -1 beside it.
    """

    Parameters: ClassVar[type[Parameters]] = PerceptionR1Parameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox", "point")
    formula = "sum Phi / max(objects, truths); detection: (that + 2 pairs / (objects + truths)) / 2 * (1 - missed / 2)"
    source = "Perception-R1 (arXiv 2504.07954) section 3.2; N, Phi's range and the terms' weights are ours"

    def prepare(self, truth: Truth, call: Call) -> _Gold:
        """Labels, and boxes (M, 4), points (M, 2) or the text."""
        labels = tuple(label(target.phrase) for target in truth.objects)
        if self.parameters.task == "ocr":
            text = " ".join((truth.text or truth.written).split())
            if not text:
                raise ValueError("it has no text")
            return _Gold((), np.empty((0, 4)), text)
        if self.parameters.task == "counting":
            return _Gold(labels, true_places(truth), "")
        boxes = np.array([target.bbox or _NOWHERE for target in truth.objects], np.float64).reshape(-1, 4)
        if not (area(boxes) > 0).all():
            raise ValueError("an object has no bbox with an area")
        return _Gold(labels, boxes, "")

    def judge(self, answer: Decoded, truth: _Gold, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        if truth.text:
            text = " ".join(answer.text.split())
            return {"accuracy": text_similarity(text, truth.text) if text else 0.0}
        settled = silence(answer, len(truth.labels))
        if settled is not None:
            return {"accuracy": settled}
        right = alike(answer, truth.labels)
        if self.parameters.task == "counting":
            apart = places(answer, centres=True)[:, None] - truth.places
            near = np.maximum(0.0, 1.0 - np.sqrt(np.square(apart).sum(axis=2)) / math.hypot(*call.image))
            return {"accuracy": self._mean(np.where(right, np.nan_to_num(near), 0.0))}
        overlap = iou(np.array([item.bbox or _NOWHERE for item in answer.objects], np.float64), truth.places)
        if self.parameters.task == "grounding":
            return {"accuracy": self._mean(np.where(right, overlap, 0.0))}
        phi = np.where(overlap > 0, (overlap + right) / 2.0, 0.0)
        pairs = len(self._pairs(phi))
        n, m = phi.shape
        whole = (self._mean(phi) + 2.0 * pairs / (n + m)) / 2.0
        return {"accuracy": whole * (1.0 - 0.5 * (m - pairs) / m)}

    def _pairs(self, phi: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
        if self.parameters.matching == "bipartite":
            return hungarian(phi, 0.0)
        return [(place, place) for place in range(min(phi.shape)) if phi[place, place] > 0]

    def _mean(self, phi: npt.NDArray[np.float64]) -> float:
        total = sum(float(phi[pair]) for pair in self._pairs(phi))
        return total / max(len(phi), len(phi[0]))
