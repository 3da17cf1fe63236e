"""VLM-R1's referring expressions: one box, by its overlap."""

from __future__ import annotations

from typing import ClassVar

from pe.verifiers._base import Parameters
from pe.verifiers.box_iou import BoxIouParameters, BoxIouVerifier

__all__ = ["VlmR1RecVerifier"]


class VlmR1RecParameters(BoxIouParameters):
    """Those of `box-iou`; an answer is read as VLM-R1 writes it."""

    format: str = "vlm-r1"


class VlmR1RecVerifier(BoxIouVerifier):
    """`box-iou` for answers in VLM-R1's form, with an answer for what is not there."""

    Parameters: ClassVar[type[Parameters]] = VlmR1RecParameters
    source = "VLM-R1 (arXiv 2504.07615), referring expressions"
