"""Average precision after several names for one box were reduced to one."""

from __future__ import annotations

from pe.formats import Decoded
from pe.geometry.matching import Overlaps
from pe.verifiers._average_precision import average_precision
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth, label_ids, overlaps
from pe.verifiers.average_precision import AveragePrecisionVerifier

__all__ = ["NmsApVerifier"]

OVERLAP = 0.5


class NmsApVerifier(AveragePrecisionVerifier):
    """Of the answers over one truth (IoU > 0.5), whatever their labels, only the best can hit; the others are wrong.

    The best is the one of the highest score, then of the right label, then of the largest IoU. Several truths over one
    box each have their own best, so that two right names for one thing both count.
    """

    formula = "average-precision, where of all answers with IoU > 0.5 to a truth only the best one may hit"
    source = "OVDEval's NMS-AP (om-ai-lab/OVDEval, arXiv 2308.13177)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        ids = label_ids(answer, truth)
        scores = [1.0 if item.score is None else item.score for item in answer.objects]
        matrix = overlaps(answer, truth, ids)
        matrix[beaten(answer, scores, overlaps(answer, truth), matrix)] = 0.0
        return average_precision(matrix, scores, ids.tolist(), truth.ids.tolist(), self.parameters.thresholds)


def beaten(answer: Decoded, scores: list[float], anyhow: Overlaps, matrix: Overlaps) -> list[int]:
    """The objects of `answer` that are over a truth and the best over none.

    `anyhow` (N, M) are the IoUs of its boxes with the truths, `matrix` the same with 0 where labels differ.
    """
    over: set[int] = set()
    best: set[int] = set()
    for right, any_label in zip(matrix.T.tolist(), anyhow.T.tolist(), strict=True):
        # the box itself settles what is equal without looking at the order
        rows = [
            (scores[row], right[row], overlap, answer.objects[row].bbox or (), row)
            for row, overlap in enumerate(any_label)
            if overlap > OVERLAP
        ]
        over.update(row for *_, row in rows)
        if rows:
            best.add(max(rows)[-1])
    return sorted(over - best)
