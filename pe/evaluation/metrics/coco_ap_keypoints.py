"""Key points: COCO's average precision by OKS."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._dataset_ap import DatasetAp
from pe.evaluation.metrics._oks import oks
from pe.geometry.matching import Overlaps

__all__ = ["CocoApKeypoints"]


class CocoApKeypoints(DatasetAp):
    """See DatasetAp; 20 instances of a label count, and truths without any point to be seen cost nothing."""

    rule = "instances of one label, best score first, each takes the free truth of the best OKS; OKS .50 to .95"
    kinds: ClassVar[tuple[Kind, ...]] = ("keypoints",)
    figures = ("AP", "AP50", "AP75", "APm", "APl")
    sizes = ("", "m", "l")
    answers = 20

    def _prepare(self, case: Case) -> tuple[Case, Overlaps]:
        return case, oks(case)[0]

    def _without(self, case: Case) -> npt.NDArray[np.bool_]:
        return ~oks(case)[1]
