"""VLM-R1's detection reward, corrected: average precision, in VLM-R1's format."""

from __future__ import annotations

from pe.verifiers.average_precision import AveragePrecisionParameters, AveragePrecisionVerifier

__all__ = ["VlmR1OdApVerifier"]


class VlmR1OdApParameters(AveragePrecisionParameters):
    """Those of `average-precision`."""

    format: str = "vlm-r1"


class VlmR1OdApVerifier(AveragePrecisionVerifier):
    """`average-precision` of an answer in the `vlm-r1` format."""

    Parameters = VlmR1OdApParameters
    source = "VLM-R1 (arXiv 2504.07615), od_ap (mAP), with thresholds [0.5] od_ap50"
