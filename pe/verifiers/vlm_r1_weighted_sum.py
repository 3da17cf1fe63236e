"""VLM-R1's weighted sum, corrected: mean IoU and completeness, in VLM-R1's format."""

from __future__ import annotations

from pe.verifiers._schedule import Share
from pe.verifiers.mean_iou_completeness import MeanIouCompletenessParameters, MeanIouCompletenessVerifier

__all__ = ["VlmR1WeightedSumVerifier"]


class VlmR1WeightedSumParameters(MeanIouCompletenessParameters):
    """Those of `mean-iou-completeness`; boxes too many cost by completeness alone."""

    format: str = "vlm-r1"
    count_penalty: Share = 1.0


class VlmR1WeightedSumVerifier(MeanIouCompletenessVerifier):
    """`mean-iou-completeness` without a count penalty, of an answer in the `vlm-r1` format."""

    Parameters = VlmR1WeightedSumParameters
    source = "VLM-R1 (arXiv 2504.07615), weighted_sum: 0.7 * position + 0 * label + 0.3 * completeness at IoU 0.5"
