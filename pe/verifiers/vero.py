"""Vero's box reward, corrected so that only a perfect answer earns 1."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from pe.formats import Decoded
from pe.geometry.matching import hungarian
from pe.verifiers._base import Call
from pe.verifiers._boxes import BoxTruth, BoxVerifier, f1, label_ids, overlaps

__all__ = ["VeroVerifier"]

THRESHOLD = 0.5
LOCATION, HITS, WRONG = 1.0, 0.75, 0.25


class VeroVerifier(BoxVerifier):
    """(mean IoU + 0.75 F1 - 0.25 (share of answers wrong + share of truths missed)) / 1.75, not below 0.

    Pairs are one-to-one, of one label, with IoU >= 0.5. Mean IoU is over the truths: over the pairs, as released, a
    second, lesser hit costs more than it earns. Dividing by the largest value takes the place of the cut at 1.
    """

    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "max(0, (sum(IoU)/n_truth + 0.75*F1 - 0.25*(wrong/n_answer + missed/n_truth)) / 1.75) at IoU 0.5"
    source = "Vero (arXiv 2604.04917), zlab-princeton/vero grounding_reward.py"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth, label_ids(answer, truth))
        answered, truths = matrix.shape
        # what one more pair is worth beside its IoU, so that the matching is the one of the largest reward
        pair = 2 * HITS / (answered + truths) + WRONG * (1 / answered + 1 / truths)
        fits = (matrix >= THRESHOLD) & (matrix > 0)
        pairs = hungarian(np.where(fits, LOCATION * matrix / truths + pair, 0.0), 0.0)
        mean = sum(float(matrix[found]) for found in pairs) / truths
        wrong = (answered - len(pairs)) / answered + (truths - len(pairs)) / truths
        value = LOCATION * mean + HITS * f1(len(pairs), answered, truths) - WRONG * wrong
        return float(max(0.0, value / (LOCATION + HITS)))
