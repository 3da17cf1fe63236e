"""Boxes with labels: average precision of one image, with nothing to gain from order, duplicates or inventions."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._average_precision import COCO, average_precision
from pe.verifiers._base import Call, Parameters
from pe.verifiers._boxes import BoxTruth, BoxVerifier, label_ids, overlaps
from pe.verifiers._schedule import Share

__all__ = ["AveragePrecisionVerifier"]


class AveragePrecisionParameters(Parameters):
    """`thresholds`: the IoUs of a hit; the score is the mean over them (0.50, 0.55, ... 0.95)."""

    thresholds: Annotated[tuple[Share, ...], Field(min_length=1)] = COCO


class AveragePrecisionVerifier(BoxVerifier):
    """COCO's AP with three holes closed, since a model that writes boxes gives all of them the same score.

    Answers of equal score (1 where none is given) are matched together, precision is taken after all of them, and a
    label that the truth has not counts with an AP of 0. With distinct scores and no such label it is COCOeval's value.
    """

    Parameters = AveragePrecisionParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "mean over thresholds and labels (also invented ones) of AP at 101 recalls, equal scores taken together"
    source = "COCO (Lin et al. 2014), pycocotools COCOeval; the reward of VLM-R1 (arXiv 2504.07615)"

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        ids = label_ids(answer, truth)
        scores = [1.0 if item.score is None else item.score for item in answer.objects]
        matrix = overlaps(answer, truth, ids)
        return average_precision(matrix, scores, ids.tolist(), truth.ids.tolist(), self.parameters.thresholds)
