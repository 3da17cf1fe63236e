"""Boxes: SAM 3's cgF1."""

from __future__ import annotations

from typing import ClassVar

from pe.evaluation.case import Kind
from pe.evaluation.metrics._cgf1 import ConceptF1

__all__ = ["Cgf1Box"]


class Cgf1Box(ConceptF1):
    """See ConceptF1."""

    rule = "boxes of one label, one to one by the largest sum of IoU, IoU .50 to .95; 1:x is x negatives a positive"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)
