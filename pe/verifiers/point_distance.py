"""Points by how near they are to those of the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._pairing import alike, places, soft_f1, true_places
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["PointDistanceVerifier"]


class PointDistanceParameters(Parameters):
    """`sigma`: the distance at which a point is worth 0.61, as a fraction of the image's diagonal."""

    sigma: float = Field(default=0.025, gt=0.0, le=1.0)


class _Points(NamedTuple):
    labels: tuple[str, ...]
    places: npt.NDArray[np.float64]


class PointDistanceVerifier(Verifier):
    """Soft F1 of points: a pair at distance d is worth exp(-d^2 / 2 sigma^2), pairs one to one with the largest sum.

    The place of a truth is its `point`, or else the centre of its `bbox`. An object of the answer that is no point is
    near nothing. sigma goes with the image and not with the object: points have no size.
    """

    Parameters: ClassVar[type[Parameters]] = PointDistanceParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("point",)
    formula = "2 * sum exp(-d^2 / 2 sigma^2) / (points + truths)"
    source = "Kimi K2.5 (arXiv 2602.02276), which gives no sigma"

    def prepare(self, truth: Truth, call: Call) -> _Points:
        """The points and their labels."""
        return _Points(tuple(label(target.phrase) for target in truth.objects), true_places(truth))

    def judge(self, answer: Decoded, truth: _Points, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        if settled is not None:
            return {"accuracy": settled}
        sigma = self.parameters.sigma * math.hypot(*call.image)
        apart = places(answer)[:, None] - truth.places
        near = np.exp(-np.square(apart).sum(axis=2) / (2.0 * sigma * sigma))
        return {"accuracy": soft_f1(np.where(alike(answer, truth.labels), np.nan_to_num(near), 0.0))}
