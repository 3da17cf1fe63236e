"""The box of one referred object, by its overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from pe.formats import Box, Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._policy import silence
from pe.verifiers._truth import Truth

__all__ = ["BoxIouVerifier"]


class BoxIouParameters(Parameters):
    """`power`: 1 for the IoU, 2 for its square. `labels`: whether the answer's phrase has to be the truth's."""

    power: Literal[1, 2] = 1
    labels: bool = True


class _One(NamedTuple):
    box: Box | None
    phrase: str


class BoxIouVerifier(Verifier):
    """IoU (or its square) of the best box of the answer, times 2 / (1 + boxes): the F1 of one object that is there.

    Without an object in the truth silence is right. An object with another phrase, or that is no box, is wrong. Several
    objects in the truth are a ValueError, and so is a box without area.
    """

    Parameters: ClassVar[type[Parameters]] = BoxIouParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox",)
    formula = "max IoU^power * 2 / (1 + objects)"
    source = "VLM-R1 (arXiv 2504.07615): IoU; Perception-R1's released code: IoU^2"

    def prepare(self, truth: Truth, call: Call) -> _One:
        """The box, if there is one, and its label."""
        if len(truth.objects) > 1:
            raise ValueError(
                f"it has {len(truth.objects)} objects, and this is about one; compare sets of boxes as such"
            )
        if not truth.objects:
            return _One(None, "")
        box = truth.objects[0].bbox
        if box is None or box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError("its object has no bbox with an area")
        return _One(box, label(truth.objects[0].phrase) if self.parameters.labels else "")

    def judge(self, answer: Decoded, truth: _One, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, 0 if truth.box is None else 1)
        if settled is not None or truth.box is None:
            return {"accuracy": settled or 0.0}
        asked = truth.phrase
        best = max(
            self._worth(item.bbox, truth.box) if item.bbox and (not asked or label(item.phrase) == asked) else 0.0
            for item in answer.objects
        )
        return {"accuracy": 2.0 * best / (1.0 + len(answer.objects))}

    def _worth(self, box: Box, truth: Box) -> float:
        common, union = self._areas(box, truth)
        worth = common / union
        return worth * worth if self.parameters.power == 2 else worth

    @staticmethod
    def _areas(box: Box, truth: Box) -> tuple[float, float]:
        """The areas of the intersection and of the union; `truth` has an area."""
        wide = min(box[2], truth[2]) - max(box[0], truth[0])
        high = min(box[3], truth[3]) - max(box[1], truth[1])
        common = wide * high if wide > 0 and high > 0 else 0.0
        own = max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
        return common, own + (truth[2] - truth[0]) * (truth[3] - truth[1]) - common
