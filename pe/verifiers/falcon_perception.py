"""Falcon Perception's count of misses and false alarms, on a scale where a perfect answer is 1."""

from __future__ import annotations

from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters
from pe.verifiers._boxes import BoxTruth, BoxVerifier, count_hits, label_ids, overlaps
from pe.verifiers._schedule import Schedule, Thresholds

__all__ = ["FalconPerceptionVerifier"]

ALARM = 0.3


class FalconPerceptionParameters(Parameters):
    """`threshold`: the IoU of a hit."""

    threshold: Thresholds = Schedule(until=((1.0, 0.5),))


class FalconPerceptionVerifier(BoxVerifier):
    """1 - (misses + 0.3 * false alarms) / n_truth; below 0 where false alarms outweigh what was found.

    A hit is a one-to-one pair of one label with IoU >= 0.5. Saying nothing is 0 where something is there, as an answer
    that cannot be read.
    """

    Parameters = FalconPerceptionParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 - (FN + 0.3 * FP) / n_truth at IoU >= 0.5"
    source = "Falcon-Perception-HD (arXiv 2608.18881): reward = -(FN + 0.3 FP)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth, label_ids(answer, truth))
        answered, truths = matrix.shape
        limits = self.parameters.threshold.at(call.progress)
        hits = sum(count_hits(matrix, limit) for limit in limits) / len(limits)
        return 1.0 - float((truths - hits) + ALARM * (answered - hits)) / float(truths)

    def stages(self) -> tuple[float, ...]:
        """See Verifier."""
        stages: tuple[float, ...] = self.parameters.threshold.stages()
        return stages
