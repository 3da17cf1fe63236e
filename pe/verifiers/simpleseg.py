"""SimpleSeg: the overlap of one referred mask, and how far it is off the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters
from pe.verifiers.polygon_iou import PolygonIouParameters, PolygonIouVerifier

__all__ = ["SimpleSegVerifier"]


class SimpleSegParameters(PolygonIouParameters):
    """`centroid`: the weight of the centroid's term beside the IoU, which has weight 1."""

    format: str = "simpleseg"
    centroid: float = Field(default=0.5, ge=0.0, le=10.0)


class SimpleSegVerifier(PolygonIouVerifier):
    """(IoU + c * centroid) / (1 + c), with `polygon-iou`'s IoU and centroid = max(0, 1 - d^2 / s^2).

    d is the distance of the two masks' centroids, s the diagonal of the box of the truth. Centroid is 0 without overlap
    and for an answer of more objects than the truth has: junk on either side would balance. The paper's third term, the
    format, is the component `format` beside this one. The paper gives no formula and no weight.
    """

    Parameters: ClassVar[type[Parameters]] = SimpleSegParameters
    formula = "(IoU + c * max(0, 1 - d^2 / s^2)) / (1 + c)"
    source = "SimpleSeg (arXiv 2601.19228) section 3: mask IoU, centroid distance, format; weights are ours"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        iou, apart = self._compare(answer, truth)
        centred = max(0.0, 1.0 - apart * apart) if len(answer.objects) <= len(truth.masks.spans) else 0.0
        weight = self.parameters.centroid
        return {"accuracy": (iou + weight * centred) / (1.0 + weight), "mask_iou": iou}
