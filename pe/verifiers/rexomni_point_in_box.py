"""Rex-Omni's points in boxes, matched one to one."""

from __future__ import annotations

from typing import ClassVar

from pe.verifiers._base import Parameters
from pe.verifiers.point_in_box import PointInBoxVerifier

__all__ = ["RexomniPointInBoxVerifier"]


class RexomniPointInBoxParameters(Parameters):
    """None of its own."""

    format: str = "rexomni"


class RexomniPointInBoxVerifier(PointInBoxVerifier):
    """`point-in-box` for answers in Rex-Omni's tokens."""

    Parameters: ClassVar[type[Parameters]] = RexomniPointInBoxParameters
