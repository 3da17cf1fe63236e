"""Boxes with labels: an F1 in which a pair counts as much as it overlaps."""

from __future__ import annotations

from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.geometry.matching import hungarian
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth, BoxVerifier, f1, label_ids, overlaps

__all__ = ["DetectionVerifier"]


class DetectionVerifier(BoxVerifier):
    """2 * sum of IoU / (answers + truths) over the one-to-one pairs of equal labels whose sum of IoU is the largest.

    Kimi K2.5 (arXiv 2602.02276) names the soft F1 and leaves the matching open; it is Hungarian here.
    """

    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    formula = "2 * sum(IoU of pairs) / (n_answer + n_truth); pairs one-to-one within a label, largest sum"
    source = "Kimi K2.5 (arXiv 2602.02276): F1 with soft matches from IoU"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth, label_ids(answer, truth))
        total = sum(float(matrix[pair]) for pair in hungarian(matrix, 0.0))
        return f1(total, *matrix.shape)
