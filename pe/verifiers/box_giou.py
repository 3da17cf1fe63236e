"""The box of one referred object, by an overlap that also tells how far apart boxes are."""

from __future__ import annotations

from typing import ClassVar

from pe.formats import Box
from pe.verifiers._base import Parameters
from pe.verifiers.box_iou import BoxIouVerifier

__all__ = ["BoxGiouVerifier"]


class BoxGiouParameters(Parameters):
    """`labels`: whether the answer's phrase has to be the truth's."""

    labels: bool = True


class BoxGiouVerifier(BoxIouVerifier):
    """As `box-iou`, with (1 + GIoU) / 2 in place of the IoU: 1 for the box itself, falling to 0 with the distance.

    GIoU = IoU - (hull - union) / hull, hull being the smallest box around both: -1 .. 1. A box beside the object earns
    a little, so that one that comes nearer earns more.
    """

    Parameters: ClassVar[type[Parameters]] = BoxGiouParameters
    formula = "max (1 + IoU - (hull - union) / hull) / 2 * 2 / (1 + objects)"
    source = "Rezatofighi et al. 2019 (arXiv 1902.09630), rescaled to 0..1"

    def _worth(self, box: Box, truth: Box) -> float:
        common, union = self._areas(box, truth)
        hull = (max(box[2], truth[2]) - min(box[0], truth[0])) * (max(box[3], truth[3]) - min(box[1], truth[1]))
        return (common / union + union / hull) / 2.0
