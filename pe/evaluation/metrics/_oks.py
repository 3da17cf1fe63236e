"""Object key-point similarity as COCO defines it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pe.evaluation.case import Case
from pe.geometry.matching import Overlaps
from pe.verifiers import Call
from pe.verifiers.keypoints import keypoint_places


def oks(case: Case) -> tuple[Overlaps, npt.NDArray[np.bool_]]:
    """(N, M) OKS of instances whatever their labels, and (M,) whether the truth has any point to be seen.

    The mean of exp(-d^2 / 2 A (2 sigma)^2) over the points that the truth has; what the answer leaves out is 0, what it
    adds costs nothing. A is the area of the truth's box (COCO: of its mask), sigma COCO's for the 17 points of a
    person and 0.025 for any other.
    """
    truth = case.verifier.prepare(case.truth, Call("", case.image))
    points, _ = keypoint_places([item.keypoints or {} for item in case.answer.objects], truth.names)
    seen = ~np.isnan(truth.points[..., 0])
    apart = np.square(points[:, None] - truth.points).sum(axis=3)
    worth = np.nan_to_num(np.exp(-apart / truth.scales)).sum(axis=2)
    count = seen.sum(axis=1)
    return np.divide(worth, count, out=np.zeros_like(worth), where=count > 0), count > 0
