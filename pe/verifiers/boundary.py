"""Objects drawn as rings, by how well their borders follow those of the masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.geometry.matching import hungarian
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._borders import border_agreement
from pe.verifiers._masks import Masks, draw, masks, overlaps
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["BoundaryVerifier"]


class BoundaryParameters(Parameters):
    """`iou`: the mask IoU from which on two masks are of one object."""

    iou: float = Field(default=0.5, ge=0.0, le=1.0)


class BoundaryVerifier(Verifier):
    """The boundary measure F of DAVIS as a soft F1 over masks of one label, one to one by the largest sum of IoU.

    Only pairs of enough IoU count, since borders of different things may lie on each other. Borders may be 0.8 % of
    the image's diagonal apart.
    """

    Parameters: ClassVar[type[Parameters]] = BoundaryParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("rings",)
    formula = "2 * sum F / (objects + truths) over pairs of IoU >= iou"
    source = "Perazzi et al. 2016 (DAVIS), after Martin et al. 2004; asked for by reviewers of SimpleSeg"

    def prepare(self, truth: Truth, call: Call) -> Masks:
        """The masks and their labels."""
        return masks(truth, call)

    def judge(self, answer: Decoded, truth: Masks, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        drawn = draw(answer, truth) if settled is None else None
        if drawn is None:
            return {"accuracy": settled or 0.0}
        pairs = hungarian(overlaps(answer, drawn, truth), self.parameters.iou)
        agreement = sum(border_agreement([(drawn[i], truth.spans[j]) for i, j in pairs]))
        return {"accuracy": 2.0 * agreement / (len(drawn) + len(truth.spans))}
