"""Points in the boxes of what they point at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pe.formats import Decoded
from pe.geometry.matching import most_pairs
from pe.verifiers._base import Call, Verifier
from pe.verifiers._labels import label
from pe.verifiers._pairing import alike, places
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["PointInBoxVerifier"]


class _Boxes(NamedTuple):
    labels: tuple[str, ...]
    corners: npt.NDArray[np.float64]


class PointInBoxVerifier(Verifier):
    """F1 of points in boxes of their label, one to one, as many pairs as there can be; a box has its border.

    An object of the answer that is no point is a point in no box. A box of the truth without area is a ValueError.
    """

    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("point",)
    formula = "2 * pairs / (points + boxes)"
    source = "Rex-Omni (arXiv 2510.12798) point_in_box, matched one to one"

    def prepare(self, truth: Truth, call: Call) -> _Boxes:
        """The boxes and their labels."""
        for index, target in enumerate(truth.objects):
            if target.bbox is None or target.bbox[2] <= target.bbox[0] or target.bbox[3] <= target.bbox[1]:
                raise ValueError(f"object {index} has no bbox with an area")
        corners = np.array([target.bbox for target in truth.objects], np.float64).reshape(-1, 4)
        return _Boxes(tuple(label(target.phrase) for target in truth.objects), corners)

    def judge(self, answer: Decoded, truth: _Boxes, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        if settled is not None:
            return {"accuracy": settled}
        points = places(answer)[:, None]
        inside = ((points >= truth.corners[:, :2]) & (points <= truth.corners[:, 2:])).all(axis=2)
        pairs = most_pairs(inside & alike(answer, truth.labels), 1.0)
        return {"accuracy": 2.0 * len(pairs) / (len(answer.objects) + len(truth.labels))}
