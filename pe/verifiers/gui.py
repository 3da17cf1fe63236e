"""One element of a user interface, clicked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from pe.formats import Box, Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._pairing import places
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["GuiVerifier"]


class GuiParameters(Parameters):
    """`labels`: whether what the answer calls the element has to be the truth's phrase."""

    labels: bool = True


class _Element(NamedTuple):
    box: Box | None
    phrase: str


class GuiVerifier(Verifier):
    """1 if the answer is one point, or one box by its centre, in the element's box (with its border), else 0.

    A click is one: several answers are none. Where no element is asked for that is there, silence is right. Several
    objects in the truth are a ValueError, and so is a box without area.
    """

    Parameters: ClassVar[type[Parameters]] = GuiParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("point", "bbox")
    formula = "1 if there is one answer and it lies in the box, else 0"
    source = "Rex-Omni (arXiv 2510.12798) section 4: 1 in the box, else 0; ScreenSpot's rule"

    def prepare(self, truth: Truth, call: Call) -> _Element:
        """The element's box, if there is one, and its label."""
        if len(truth.objects) > 1:
            raise ValueError(f"it has {len(truth.objects)} elements, and a click is on one")
        if not truth.objects:
            return _Element(None, "")
        box = truth.objects[0].bbox
        if box is None or box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError("its element has no bbox with an area")
        return _Element(box, label(truth.objects[0].phrase) if self.parameters.labels else "")

    def judge(self, answer: Decoded, truth: _Element, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, 0 if truth.box is None else 1)
        if settled is not None or truth.box is None:
            return {"accuracy": settled or 0.0}
        if len(answer.objects) > 1 or (truth.phrase and label(answer.objects[0].phrase) != truth.phrase):
            return {"accuracy": 0.0}
        x, y = places(answer, centres=True)[0]
        x0, y0, x1, y1 = truth.box
        return {"accuracy": float(x0 <= x <= x1 and y0 <= y <= y1)}
