"""VLM-R1's detection reward, corrected: average precision less for boxes too many, in VLM-R1's format."""

from __future__ import annotations

from pe.verifiers.average_precision import AveragePrecisionParameters
from pe.verifiers.od_length import OdLengthVerifier

__all__ = ["VlmR1OdLengthVerifier"]


class VlmR1OdLengthParameters(AveragePrecisionParameters):
    """Those of `od-length`."""

    format: str = "vlm-r1"


class VlmR1OdLengthVerifier(OdLengthVerifier):
    """`od-length` of an answer in the `vlm-r1` format."""

    Parameters = VlmR1OdLengthParameters
    source = "VLM-R1 (arXiv 2504.07615), odLength"
