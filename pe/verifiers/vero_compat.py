"""Vero's box reward as released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pe.formats import Decoded
from pe.geometry.matching import most_pairs
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth, f1, overlaps
from pe.verifiers.vero import HITS, LOCATION, THRESHOLD, WRONG, VeroVerifier

__all__ = ["VeroCompatVerifier"]


class VeroCompatVerifier(VeroVerifier):
    """zlab-princeton/vero@995e475, grounding_component_score: cut to 0..1, so that much less than perfect is 1.

    Labels do not count, mean IoU is over the pairs, any answer is 0 where nothing is there. The response is read by
    the format that the sample names.
    """

    formula = "clip(mean IoU of pairs + 0.75*F1 - 0.25*(wrong/n_answer + missed/n_truth), 0, 1) at IoU 0.5, any label"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": self._compare(answer, truth, call) if answer.objects and len(truth.ids) else 0.0}

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth)
        answered, truths = matrix.shape
        pairs = most_pairs(matrix, THRESHOLD)
        mean = sum(float(matrix[pair]) for pair in pairs) / len(pairs) if pairs else 0.0
        wrong = (answered - len(pairs)) / answered + (truths - len(pairs)) / truths
        value = LOCATION * mean + HITS * f1(len(pairs), answered, truths) - WRONG * wrong
        return float(min(max(value, 0.0), 1.0))
