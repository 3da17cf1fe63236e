"""Objects drawn as rings, against masks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pe.formats import Decoded
from pe.geometry.matching import hungarian
from pe.geometry.spans import Spans
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._borders import border_agreement
from pe.verifiers._masks import Masks, draw, masks, overlaps
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["SegmentationVerifier"]


class SegmentationParameters(Parameters):
    """`centroid`, `boundary`: the weights of those terms beside the IoU, which has weight 1."""

    centroid: float = Field(default=0.0, ge=0.0, le=10.0)
    boundary: float = Field(default=0.0, ge=0.0, le=10.0)


class SegmentationVerifier(Verifier):
    """Soft F1 of masks of one label, one to one with the largest sum of IoU; the answer's rings are drawn by even-odd.

    A pair is worth its IoU, or with weights the mean of the IoU, of 1 - d^2 / s^2 of the distance d of the centroids
    (s the diagonal of the truth's box, never below 0) and of the boundary measure F. An object without rings matches
    nothing, and so does an answer whose outlines cross far more pixel rows than a drawing does (see docs).
    """

    Parameters: ClassVar[type[Parameters]] = SegmentationParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("rings",)
    formula = "2 * sum (IoU + c * centroid + b * F) / (1 + c + b) / (objects + truths)"
    source = "mask IoU as SimpleSeg (arXiv 2601.19228) and Kimi K2.5 (arXiv 2602.02276), matched one to one"

    def prepare(self, truth: Truth, call: Call) -> Masks:
        """The masks and their labels."""
        return masks(truth, call)

    def judge(self, answer: Decoded, truth: Masks, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        drawn = draw(answer, truth) if settled is None else None
        if drawn is None:
            return {"accuracy": settled or 0.0}
        iou = overlaps(answer, drawn, truth)
        pairs = hungarian(iou, 0.0)
        total = sum(float(iou[pair]) for pair in pairs)
        centroid, boundary = self.parameters.centroid, self.parameters.boundary
        if centroid:
            total += centroid * sum(_centred(drawn[i], truth.spans[j]) for i, j in pairs)
        if boundary:
            total += boundary * sum(border_agreement([(drawn[i], truth.spans[j]) for i, j in pairs]))
        worth = total / (1.0 + centroid + boundary)
        return {"accuracy": 2.0 * worth / (len(drawn) + len(truth.spans)), "mask_iou": float(np.mean(iou.max(axis=0)))}


def _centred(drawn: Spans, truth: Spans) -> float:
    x0, y0, x1, y1 = truth.box()
    apart = math.dist(drawn.centroid(), truth.centroid()) / math.hypot(x1 - x0, y1 - y0)
    return max(0.0, 1.0 - apart * apart)
