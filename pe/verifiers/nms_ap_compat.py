"""OVDEval's NMS-AP as its code computes it, for one image."""

from __future__ import annotations

from collections.abc import Sequence

from pe.formats import Decoded
from pe.geometry.matching import Overlaps
from pe.verifiers._average_precision import coco_average_precision
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth, label_ids, overlaps
from pe.verifiers.average_precision import AveragePrecisionVerifier
from pe.verifiers.nms_ap import OVERLAP

__all__ = ["NmsApCompatVerifier"]


class NmsApCompatVerifier(AveragePrecisionVerifier):
    """om-ai-lab/OVDEval@40c12fe, eval.py: labels do not count in the suppression, then COCO's AP.

    Of the answers over a truth (IoU > 0.5) the one of the highest score stays, of equal ones the last in the list; the
    others are removed unless they stay for another truth. What is over no truth is never removed.
    """

    formula = "COCO's AP without the answers of IoU > 0.5 to a truth that are not its best-scored (of equals the last)"
    source = "om-ai-lab/OVDEval eval.py (arXiv 2308.13177)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        scores = [1.0 if item.score is None else item.score for item in answer.objects]
        left = kept_by_ovdeval(overlaps(answer, truth), scores)
        ids = label_ids(answer, truth)
        matrix = overlaps(answer, truth, ids)[left]
        some = [scores[row] for row in left]
        return coco_average_precision(matrix, some, ids[left].tolist(), truth.ids.tolist(), self.parameters.thresholds)


def kept_by_ovdeval(overlaps: Overlaps, scores: Sequence[float]) -> list[int]:
    """The rows of (N, M) `overlaps`, whatever the labels, that OVDEval's suppression keeps."""
    over: set[int] = set()
    kept: set[int] = set()
    for column in overlaps.T.tolist():
        rows = [(scores[row], row) for row, overlap in enumerate(column) if overlap > OVERLAP]
        over.update(row for _, row in rows)
        if rows:
            kept.add(max(rows)[1])
    return [row for row in range(len(scores)) if row in kept or row not in over]
