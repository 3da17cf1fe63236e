"""Rex-Omni's points in masks, matched one to one."""

from __future__ import annotations

from typing import ClassVar

from pe.verifiers._base import Parameters
from pe.verifiers.point_in_mask import PointInMaskVerifier

__all__ = ["RexomniPointInMaskVerifier"]


class RexomniPointInMaskParameters(Parameters):
    """None of its own."""

    format: str = "rexomni"


class RexomniPointInMaskVerifier(PointInMaskVerifier):
    """`point-in-mask` for answers in Rex-Omni's tokens."""

    Parameters: ClassVar[type[Parameters]] = RexomniPointInMaskParameters
