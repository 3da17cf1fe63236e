"""Vision-R1's staged criterion: what counts as found, and as perfect, becomes stricter while a model is trained."""

from __future__ import annotations

from itertools import product
from typing import ClassVar, Literal

import numpy as np

from pe.formats import Decoded
from pe.geometry.matching import Overlaps, hungarian
from pe.verifiers._base import Call, Parameters
from pe.verifiers._boxes import BoxTruth, BoxVerifier, label_ids, overlaps
from pe.verifiers._schedule import Schedule, Thresholds

__all__ = ["VisionR1Verifier"]


class VisionR1Parameters(Parameters):
    """`found`: the IoU from which a box is one. `perfect`: the IoU above which it counts as 1.

    Vision-R1 goes from 0.5 and 0.75 to 0.75 and 0.9 at its step 1,500; here it is half of the training.
    """

    found: Thresholds = Schedule(until=((0.5, 0.5), (1.0, 0.75)))
    perfect: Thresholds = Schedule(until=((0.5, 0.75), (1.0, 0.9)))


class VisionR1Verifier(BoxVerifier):
    """The mean of recall and of the credit of each answer, which is its IoU, 0 if not found and 1 above `perfect`.

    Pairs are one-to-one within a label. Vision-R1 lets labels go and also rounds the recall itself, so that one missing
    object of five is free.
    """

    Parameters = VisionR1Parameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "(found/n_truth + sum(f(IoU))/n_answer) / 2, f = 0 below `found`, 1 above `perfect`, else IoU"
    source = "Vision-R1 (arXiv 2503.18013), jefferyZhan/Griffon"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        matrix = overlaps(answer, truth, label_ids(answer, truth))
        limits = list(product(self.parameters.found.at(call.progress), self.parameters.perfect.at(call.progress)))
        return sum(_staged(matrix, found, perfect) for found, perfect in limits) / len(limits)

    def stages(self) -> tuple[float, ...]:
        """See Verifier."""
        return tuple(sorted({*self.parameters.found.stages(), *self.parameters.perfect.stages()}))


def _staged(matrix: Overlaps, found: float, perfect: float) -> float:
    answered, truths = matrix.shape
    credit = np.where((matrix >= found) & (matrix > 0), np.where(matrix > perfect, 1.0, matrix), 0.0)
    pairs = hungarian(np.where(credit > 0, credit / answered + 1 / truths, 0.0), 0.0)
    return float((len(pairs) / truths + sum(float(credit[pair]) for pair in pairs) / answered) / 2)
