"""Rex-Omni's box reward, corrected: the soft F1 of `detection`, in Rex-Omni's format."""

from __future__ import annotations

from pe.verifiers._base import Parameters
from pe.verifiers.detection import DetectionVerifier

__all__ = ["RexomniBoxIouVerifier"]


class RexomniBoxIouParameters(Parameters):
    """None of its own."""

    format: str = "rexomni"


class RexomniBoxIouVerifier(DetectionVerifier):
    """2PR / (P + R) with P and R the mean IoU of a one-to-one matching, so that a second copy of a box costs."""

    Parameters = RexomniBoxIouParameters
    source = "Rex-Omni (arXiv 2510.12798) section 3, geometry-aware reward for boxes"
