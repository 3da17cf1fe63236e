"""Average precision of one image exactly as pycocotools computes it."""

from __future__ import annotations

from pe.formats import Decoded
from pe.verifiers._average_precision import coco_average_precision
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth, label_ids, overlaps
from pe.verifiers.average_precision import AveragePrecisionVerifier

__all__ = ["AveragePrecisionCompatVerifier"]


class AveragePrecisionCompatVerifier(AveragePrecisionVerifier):
    """COCOeval's mean precision over the thresholds for one image, area "all", 100 answers a label.

    Of equal scores the earlier answer counts as the better one, so that what is wrong is free after the last hit;
    labels that no truth has are left out.
    """

    formula = "mean over thresholds and the truth's labels of COCO's AP at 101 recalls, answers in order of score"
    source = "pycocotools 2.0.11 COCOeval (Lin et al. 2014)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        ids = label_ids(answer, truth)
        scores = [1.0 if item.score is None else item.score for item in answer.objects]
        matrix = overlaps(answer, truth, ids)
        return coco_average_precision(matrix, scores, ids.tolist(), truth.ids.tolist(), self.parameters.thresholds)
