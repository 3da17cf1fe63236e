"""Object key-point similarity as COCO defines it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pe.evaluation.case import Case
from pe.geometry.matching import Overlaps
from pe.verifiers import Call, Parameters
from pe.verifiers.keypoints import KeypointsVerifier, keypoint_places


def oks(case: Case) -> tuple[Overlaps, npt.NDArray[np.bool_]]:
    """(N, M) OKS of instances whatever their labels, and (M,) whether the truth has any point to be seen.

    The mean of exp(-d^2 / 2 A (2 sigma)^2) over the points that the truth has; what the answer leaves out is 0, what it
    adds costs nothing. A is the area of the truth's box (COCO: of its mask), sigma COCO's for the 17 points of a
    person and 0.025 for any other. To a truth without a point to be seen, d is the distance to its box made three times
    as wide and high, and the mean is over all of its points.
    """
    truth = KeypointsVerifier(Parameters()).prepare(case.truth, Call("", case.image))
    points, _ = keypoint_places([item.keypoints or {} for item in case.answer.objects], truth.names)
    seen = ~np.isnan(truth.points[..., 0])
    count = seen.sum(axis=1)
    low, high = truth.boxes[:, None, :2], truth.boxes[:, None, 2:]
    spread = high - low
    given = points[:, None]
    outside = np.maximum(low - spread - given, 0.0) + np.maximum(given - high - spread, 0.0)
    apart = np.where((count > 0)[:, None, None], given - truth.points, outside)
    worth = np.nan_to_num(np.exp(-np.square(apart).sum(axis=3) / truth.scales)).sum(axis=2)
    whole = np.where(count > 0, count, len(truth.names))
    return np.divide(worth, whole, out=np.zeros_like(worth), where=whole > 0), count > 0
