"""Points in the masks of what they point at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from pe.formats import Decoded
from pe.geometry.matching import most_pairs
from pe.verifiers._base import Call, Verifier
from pe.verifiers._masks import Masks, masks
from pe.verifiers._pairing import alike, places
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["PointInMaskVerifier"]


class PointInMaskVerifier(Verifier):
    """F1 of points on set pixels of masks of their label, one to one, as many pairs as there can be.

    A point is on the pixel that it lies in; on the image's right and lower border on the last one. An object of the
    answer that is no point is a point in no mask. The truth has `mask` or `rings`.
    """

    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("point",)
    formula = "2 * pairs / (points + masks)"
    source = "Rex-Omni (arXiv 2510.12798) point_in_mask, matched one to one"

    def prepare(self, truth: Truth, call: Call) -> Masks:
        """The masks and their labels."""
        return masks(truth, call)

    def judge(self, answer: Decoded, truth: Masks, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        if settled is not None:
            return {"accuracy": settled}
        points = places(answer)
        inside = np.stack([spans.holds(points) for spans in truth.spans], axis=1)
        pairs = most_pairs(inside & alike(answer, truth.labels), 1.0)
        return {"accuracy": 2.0 * len(pairs) / (len(answer.objects) + len(truth.labels))}
