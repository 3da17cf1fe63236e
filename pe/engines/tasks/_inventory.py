"""Tasks that ask for everything of one or many phrases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask, clean, missing, several
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._said import by_phrase
from pe.engines.tasks._shapes import in_order
from pe.formats import Answer, Format, Item, Shape
from pe.schemas.sample import Object, Sample


class InventoryParameters(Asking):
    """`phrases`: "all" of a picture in one question, "some" of them (a random number), or a question for "each".

    `limit` is for questions of one phrase. `categories` are asked for in every picture, whether they are there or not;
    name them only for data in which all of them are annotated.
    """

    phrases: Literal["all", "some", "each"] = "all"
    categories: tuple[str, ...] = ()


class Inventory(AskingTask):
    """Asks for all objects of phrases. A format that does not write names is asked for one phrase at a time."""

    Parameters = InventoryParameters
    shape: ClassVar[Shape]

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if self.shape not in form.writes:
            self.skipped[f"the format does not write {self.shape}"] += 1
            return
        groups = by_phrase(sample.objects())
        away = missing((*map(clean, self.parameters.categories), *absent), list(groups))
        away = [phrase for phrase in away if self.askable(phrase, form)]
        there = [phrase for phrase in groups if self.askable(phrase, form)]
        if form.named and self.parameters.phrases != "each":
            if self.parameters.phrases == "some" and len(there) > 1:
                count = int(rng.integers(1, len(there) + 1))
                there = [there[int(place)] for place in sorted(rng.choice(len(there), count, replace=False))]
            asked = [(*there, *away)[int(place)] for place in rng.permutation(len(there) + len(away))]
            if there or (away and self.can_deny(form)):
                yield self._ask(asked, groups, sample, form, rng)
            return
        for phrase in self.some(there, rng):
            yield self._ask([phrase], groups, sample, form, rng)
        for phrase in away if away and self.can_deny(form) else []:
            yield self._ask([phrase], groups, sample, form, rng)

    def _ask(
        self,
        asked: list[str],
        groups: dict[str, list[Object]],
        sample: Sample,
        form: Format,
        rng: np.random.Generator,
    ) -> Exchange:
        found = [(phrase, item) for phrase in asked for item in in_order(groups.get(phrase, []))]
        away = [phrase for phrase in asked if phrase not in groups]
        answer = Answer(tuple(self.item(phrase, item, sample) for phrase, item in found), tuple(away))
        truth = {"objects": [self.truth(phrase, item, sample) for phrase, item in found], "negatives": away}
        verifier = self.judge([item for _, item in found])
        return self.exchange(self.topics[0], form, several(asked), answer, truth, rng, verifier)

    @abstractmethod
    def item(self, phrase: str, item: Object, sample: Sample) -> Item:
        """The object in an answer."""

    @abstractmethod
    def truth(self, phrase: str, item: Object, sample: Sample) -> dict[str, Any]:
        """The object in the truth."""

    def judge(self, objects: list[Object]) -> str:
        """The verifier for an answer about `objects`."""
        return self.verifier
