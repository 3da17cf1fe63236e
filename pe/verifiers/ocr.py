"""Text that was read, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pe.formats import Box, Decoded, Item
from pe.geometry.boxes import area, iou
from pe.geometry.matching import Overlaps
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._masks import Masks, draw, masks, overlaps
from pe.verifiers._pairing import soft_f1, text_similarity
from pe.verifiers._policy import silence
from pe.verifiers._truth import Ring, Target, Truth

__all__ = ["OcrVerifier"]

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


class OcrParameters(Parameters):
    """`region`: texts are compared with their "box", their "quad" (any ring), or as one text without one ("none")."""

    region: Literal["box", "quad", "none"] = "box"


class _Texts(NamedTuple):
    texts: list[str]
    boxes: npt.NDArray[np.float64]
    masks: Masks | None


class OcrVerifier(Verifier):
    """Soft F1 of texts in their places: a pair is worth IoU times text similarity, one to one with the largest sum.

    Text similarity is 1 - edit distance / length of the longer one, with white space as single spaces; case counts. An
    object of the answer reads what its phrase says. The truth's objects have a `text` (or else a phrase), and a `bbox`
    or `rings`; a box and a ring stand for each other. With region "none" the whole text is compared with the truth's
    `text`, or else its objects' lines. What a text has beyond four times the other's length counts as inserted.
    """

    Parameters: ClassVar[type[Parameters]] = OcrParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox", "rings")
    formula = "2 * sum IoU * (1 - edits / longer) / (objects + truths); without regions 1 - edits / longer"
    source = "Kimi K2.5 (arXiv 2602.02276): normalised edit distance; Rex-Omni: region and text together"

    def prepare(self, truth: Truth, call: Call) -> _Texts:
        """The texts, and boxes or masks."""
        texts = [clean_text(target.text or target.phrase) for target in truth.objects]
        if self.parameters.region == "none":
            whole = clean_text(truth.text or truth.written or " ".join(texts))
            return _Texts([whole] if whole else [], np.empty((0, 4)), None)
        for index, text in enumerate(texts):
            if not text:
                raise ValueError(f"object {index} has no text")
        if self.parameters.region == "quad":
            drawn = [Target(mask=item.mask, rings=item.rings or _corners(item.bbox)) for item in truth.objects]
            return _Texts(texts, np.empty((0, 4)), masks(Truth(objects=tuple(drawn)), call))
        boxes = np.array([_box(item) for item in truth.objects], np.float64).reshape(-1, 4)
        for index, size in enumerate(area(boxes).tolist()):
            if not size > 0:
                raise ValueError(f"object {index} has no bbox with an area")
        return _Texts(texts, boxes, None)

    def judge(self, answer: Decoded, truth: _Texts, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        if self.parameters.region == "none":
            return {"accuracy": _read_whole(answer, truth.texts)}
        settled = silence(answer, len(truth.texts))
        if settled is not None:
            return {"accuracy": settled}
        worth = self.overlaps(answer, truth)
        texts = [clean_text(item.phrase) for item in answer.objects]
        for i, j in zip(*worth.nonzero(), strict=True):
            worth[i, j] *= text_similarity(texts[i], truth.texts[j])
        return {"accuracy": soft_f1(worth)}

    @staticmethod
    def overlaps(answer: Decoded, truth: _Texts) -> Overlaps:
        """(N, M) IoU of the regions of `answer` with those of a prepared truth; zeros for outlines beyond the limit."""
        if truth.masks is None:
            return iou(np.array([_box(item) for item in answer.objects], np.float64), truth.boxes)
        answer = replace(answer, objects=tuple(map(_as_ring, answer.objects)))
        drawn = draw(answer, truth.masks)
        if drawn is None:
            return np.zeros((len(answer.objects), len(truth.texts)))
        return overlaps(answer, drawn, truth.masks)


def _read_whole(answer: Decoded, truth: list[str]) -> float:
    text = clean_text(answer.text)
    if answer.status == "unparsable" or not truth or not text:
        return float(answer.status != "unparsable" and not truth and not text and not answer.objects)
    return text_similarity(text, truth[0])


def clean_text(text: str) -> str:
    """`text` with its white space as single spaces."""
    return " ".join(text.split())


def _corners(box: Box | None) -> tuple[Ring, ...] | None:
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return ((x0, y0, x1, y0, x1, y1, x0, y1),)


def _as_ring(item: Item) -> Item:
    return item if item.bbox is None else Item(item.phrase, rings=_corners(item.bbox))


def _box(item: Item | Target) -> Box:
    """The box of an object, or that of its rings; one without area where it has neither."""
    if item.bbox is not None:
        return item.bbox
    if not item.rings:
        return _NOWHERE
    x = [value for ring in item.rings for value in ring[::2]]
    y = [value for ring in item.rings for value in ring[1::2]]
    return min(x), min(y), max(x), max(y)
