"""Visual prompt: reference boxes in the question, all objects of their kind in the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from pe.engines.tasks._asking import Asking, AskingTask
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._said import by_phrase
from pe.engines.tasks._shapes import in_order, shown, size_of, target
from pe.formats import Answer, Format, Item
from pe.schemas.sample import Object, Sample

__all__ = ["VisualPrompt"]

_NAME = "object_1"


class VisualPromptParameters(Asking):
    """`references` is the most reference boxes; `least` how many objects of a phrase there must be."""

    references: int = Field(3, ge=1)
    least: int = Field(2, ge=1)


class VisualPrompt(AskingTask):
    """One question for each phrase, which is not told: the answer calls it object_1, as Rex-Omni does.

    The references are drawn from the picture itself and are part of the answer, so that nothing can be absent.
    """

    Parameters = VisualPromptParameters
    topics = ("visual-prompt",)
    verifier = "detection"
    ability = "visual-prompt"

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if "bbox" not in form.writes:
            self.skipped["the format does not write bbox"] += 1
            return
        groups = [objects for objects in by_phrase(sample.objects()).values() if len(objects) >= self.parameters.least]
        for objects in self.some(groups, rng):
            count = int(rng.integers(1, min(self.parameters.references, len(objects)) + 1))
            drawn = [objects[int(place)] for place in sorted(rng.choice(len(objects), count, replace=False))]
            found = in_order(objects)
            answer = Answer(tuple(Item(_NAME, bbox=item.bbox) for item in found))
            truth = {"objects": [target(item, _NAME) for item in found]}
            values = {"boxes": _references(drawn, form, sample)}
            yield self.exchange("visual-prompt", form, values, answer, truth, rng)


def _references(objects: list[Object], form: Format, sample: Sample) -> str:
    """The boxes as the format has them in a question: Rex-Omni in JSON, the others as in an answer."""
    own = getattr(form, "visual_prompt", None)
    if own is not None:
        return str(own([item.bbox for item in objects], size_of(sample)))
    return shown([Item(bbox=item.bbox) for item in objects], form, sample)
