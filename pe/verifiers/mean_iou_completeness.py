"""Boxes with labels: mean IoU and completeness of those that overlap enough, less for every box too many."""

from __future__ import annotations

from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters
from pe.verifiers._boxes import BoxTruth, BoxVerifier, complete, label_ids, overlaps
from pe.verifiers._schedule import Schedule, Share, Thresholds

__all__ = ["MeanIouCompletenessVerifier"]


class MeanIouCompletenessParameters(Parameters):
    """`threshold`: the IoU of a pair. `completeness`: its weight; mean IoU has the rest.

    `count_penalty`: the score is multiplied by it for every box beyond the number of truths.
    """

    threshold: Thresholds = Schedule(until=((1.0, 0.5),))
    completeness: Share = 0.3
    count_penalty: Share = 0.6


class MeanIouCompletenessVerifier(BoxVerifier):
    """((1 - c) * mean IoU + c * completeness) * penalty ** surplus, averaged over the thresholds in force.

    Mean IoU is sum(IoU of pairs) / n_truth; completeness is 1 - (share of truths missed + share of answers wrong) / 2.
    V-Triune's penalty counts missing boxes, too, so that junk that fills up the count pays; here they cost by the two
    terms alone.
    """

    Parameters = MeanIouCompletenessParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "((1-c) * sum(IoU)/n_truth + c * (1 - (missed + wrong)/2)) * penalty^max(0, n_answer - n_truth)"
    source = "V-Triune (arXiv 2505.18129) section 3; VLM-R1 weighted_sum"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth, label_ids(answer, truth))
        limits = self.parameters.threshold.at(call.progress)
        value = sum(complete(matrix, limit, self.parameters.completeness) for limit in limits) / len(limits)
        surplus = max(0, matrix.shape[0] - matrix.shape[1])
        return float(value * self.parameters.count_penalty**surplus)

    def stages(self) -> tuple[float, ...]:
        """See Verifier."""
        stages: tuple[float, ...] = self.parameters.threshold.stages()
        return stages
