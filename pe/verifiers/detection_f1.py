"""Boxes with labels: F1 of those that overlap enough."""

from __future__ import annotations

from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters
from pe.verifiers._boxes import BoxTruth, BoxVerifier, count_hits, f1, label_ids, overlaps
from pe.verifiers._schedule import Schedule, Thresholds

__all__ = ["DetectionF1Verifier"]


class DetectionF1Parameters(Parameters):
    """`threshold`: the IoU of a hit; a number, a list (the mean over them), or a schedule."""

    threshold: Thresholds = Schedule(until=((1.0, 0.5),))


class DetectionF1Verifier(BoxVerifier):
    """F1 of hits: pairs of equal labels with IoU at or above the threshold, one-to-one and as many as there can be."""

    Parameters = DetectionF1Parameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "2 * hits / (n_answer + n_truth), a hit is a one-to-one pair of one label with IoU >= threshold"
    source = "F1@IoU of Rex-Omni (arXiv 2510.12798), with the thresholds of V-Triune (arXiv 2505.18129)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth, label_ids(answer, truth))
        limits = self.parameters.threshold.at(call.progress)
        return sum(f1(count_hits(matrix, limit), *matrix.shape) for limit in limits) / len(limits)

    def stages(self) -> tuple[float, ...]:
        """See Verifier."""
        stages: tuple[float, ...] = self.parameters.threshold.stages()
        return stages
