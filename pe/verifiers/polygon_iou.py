"""One referred mask, which may be drawn in parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from pe.formats import Decoded
from pe.geometry.spans import Spans, overlap, union
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._masks import Masks, draw, masks
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["PolygonIouVerifier"]


class PolygonIouParameters(Parameters):
    """`labels`: whether what the answer calls an object has to be the phrase of the truth."""

    labels: bool = True


class _Whole(NamedTuple):
    masks: Masks
    spans: Spans
    centroid: tuple[float, float]
    diagonal: float


class PolygonIouVerifier(Verifier):
    """IoU of all that the answer draws with the one mask that is asked for: the truth's objects are its parts.

    A pixel counts as often as it is drawn, so that drawing a part twice costs, and no object counts for less than a
    pixel. An object with another phrase, or without rings, covers nothing of the mask; the latter counts as large as
    the mask. Several phrases in the truth are a ValueError.
    """

    Parameters: ClassVar[type[Parameters]] = PolygonIouParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("rings",)
    formula = "|A and T| / (sum of |A_i| + |T| - |A and T|)"
    source = "Kimi K2.5 (arXiv 2602.02276): the polygon is rasterised, mask IoU"

    def prepare(self, truth: Truth, call: Call) -> _Whole:
        """The union of the truth's masks."""
        parts = masks(truth, call)
        if len(set(parts.labels)) > 1:
            raise ValueError("it names several things; the verifier `segmentation` compares several masks")
        whole = union(parts.spans, parts.size)
        x0, y0, x1, y1 = whole.box()
        return _Whole(parts, whole, whole.centroid(), math.hypot(x1 - x0, y1 - y0))

    def judge(self, answer: Decoded, truth: _Whole, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": self._compare(answer, truth)[0]}

    def _compare(self, answer: Decoded, truth: _Whole) -> tuple[float, float]:
        """The IoU, and the distance of the centroids as a fraction of the diagonal of the truth's box."""
        settled = silence(answer, len(truth.masks.spans))
        drawn = draw(answer, truth.masks) if settled is None else None
        if drawn is None:
            return settled or 0.0, 0.0 if settled else math.inf
        asked = truth.masks.labels[0]
        right, area = [], 0
        for item, spans in zip(answer.objects, drawn, strict=True):
            area += max(spans.area, 1) if item.rings else truth.spans.area
            if not asked or not self.parameters.labels or label(item.phrase) == asked:
                right.append(spans)
        mask = union(right, truth.masks.size)
        common = overlap(truth.spans, mask)
        if not common:
            return 0.0, math.inf
        return common / (area + truth.spans.area - common), math.dist(mask.centroid(), truth.centroid) / truth.diagonal
