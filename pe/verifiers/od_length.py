"""Average precision, less by the share of boxes that are too many."""

from __future__ import annotations

from pe.formats import Decoded
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth
from pe.verifiers.average_precision import AveragePrecisionVerifier

__all__ = ["OdLengthVerifier"]


class OdLengthVerifier(AveragePrecisionVerifier):
    """`average-precision` times n_truth / n_answer where the answer has more boxes than the truth."""

    formula = "average-precision * min(1, n_truth / n_answer)"
    source = "odLength of VLM-R1 (arXiv 2504.07615)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        return super()._compare(answer, truth, call) * min(1.0, len(truth.ids) / len(answer.objects))
