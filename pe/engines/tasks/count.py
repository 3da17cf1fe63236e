"""Counting: how many objects of a phrase there are, as a number or by marking each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask, missing, one
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._said import by_phrase
from pe.engines.tasks._shapes import in_order, point_of, size_of, target
from pe.formats import Answer, Format, Item
from pe.schemas.sample import Object, Sample

__all__ = ["Count"]

Way = Literal["number", "points", "boxes"]


class CountParameters(Asking):
    """`answer`: a "number", or "points" or "boxes" to be counted (Perception-R1, Molmo); "auto": a number where the
    format writes text, else points, else boxes."""

    answer: Literal["auto", "number", "points", "boxes"] = "auto"


class Count(AskingTask):
    """One question for each phrase; a phrase that is not there is counted 0."""

    Parameters = CountParameters
    topics = ("count", "count-objects")
    verifier = "count"
    ability = "counting"

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        way = self._way(form)
        if way is None:
            self.skipped["the format writes no counts"] += 1
            return
        groups = by_phrase(sample.objects())
        written = way != "number"
        there = [phrase for phrase in groups if self.askable(phrase, form, written=written)]
        away = [phrase for phrase in missing(absent, list(groups)) if self.askable(phrase, form, written=written)]
        if written and away and not self.can_deny(form):
            away = []
        for phrase in [*self.some(there, rng), *away]:
            yield self._ask(phrase, in_order(groups.get(phrase, [])), way, sample, form, rng)

    def _ask(
        self, phrase: str, objects: list[Object], way: Way, sample: Sample, form: Format, rng: np.random.Generator
    ) -> Exchange:
        truth = {
            "objects": [target(item, phrase) for item in objects],
            "negatives": [] if objects else [phrase],
            "count": len(objects),
        }
        if way == "number":
            number = Answer(text=str(len(objects)))
            return self.exchange("count", form, one(phrase), number, truth, rng, settings={"by": "text"})
        image = size_of(sample)
        items = tuple(
            Item(phrase, bbox=item.bbox) if way == "boxes" else Item(phrase, point=point_of(item, image))
            for item in objects
        )
        answer = Answer(items, () if objects else (phrase,))
        return self.exchange("count-objects", form, one(phrase), answer, truth, rng)

    def _way(self, form: Format) -> Way | None:
        ways: tuple[Way, ...] = ("number", "points", "boxes")
        if self.parameters.answer != "auto":
            ways = (self.parameters.answer,)
        shapes = {"number": "text", "points": "point", "boxes": "bbox"}
        return next((way for way in ways if shapes[way] in form.writes), None)
