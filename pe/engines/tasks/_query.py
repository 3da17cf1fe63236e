"""Tasks that ask for what one phrase or expression means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask, missing, one
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._said import Saying, Source, sayings
from pe.engines.tasks._shapes import in_order
from pe.formats import Answer, Format, Item, Shape
from pe.schemas.sample import Object, Sample

Targets = Literal["one", "several", "none"]


class QueryParameters(Asking):
    """`source`: which of a record's "expressions", "captions" and "phrases" are asked for; "auto" the first it has.

    `kinds`: only expressions of these kinds; empty for all. `targets`: how many objects an expression may mean.
    """

    source: Source = "auto"
    kinds: tuple[str, ...] = ()
    targets: tuple[Targets, ...] = ("one", "several", "none")


class Query(AskingTask):
    """One question for each expression, and for each phrase that is not there."""

    Parameters: ClassVar[Any] = QueryParameters
    shape: ClassVar[Shape]

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if self.shape not in form.writes:
            self.skipped[f"the format does not write {self.shape}"] += 1
            return
        chosen = self.parameters
        said = [
            saying
            for saying in sayings(sample, sample.objects(), chosen.source)
            if (not chosen.kinds or saying.kind in chosen.kinds) and self.askable(saying.text, form)
        ]
        away = [phrase for phrase in missing(absent, [saying.text for saying in said]) if self.askable(phrase, form)]
        empty = [saying.text for saying in said if not saying.objects]
        said = [saying for saying in said if saying.objects and _many(saying) in chosen.targets]
        for saying in self.some(said, rng):
            yield from self._ask(saying.text, in_order(saying.objects), sample, form, rng)
        if "none" in chosen.targets:
            for text in [*empty, *away]:
                if self.can_deny(form):
                    yield from self._ask(text, [], sample, form, rng)

    def _ask(
        self, text: str, objects: list[Object], sample: Sample, form: Format, rng: np.random.Generator
    ) -> Iterator[Exchange]:
        items = []
        for item in objects:
            found = self.item(text, item, sample, form)
            if isinstance(found, str):
                self.skipped[found] += 1
                return
            items.append(found)
        truth = {
            "objects": [self.truth(text, item, sample) for item in objects],
            "negatives": [] if objects else [text],
        }
        answer = Answer(tuple(items), () if objects else (text,))
        yield self.exchange(self.topics[0], form, one(text), answer, truth, rng, self.judge(objects))

    @abstractmethod
    def item(self, text: str, item: Object, sample: Sample, form: Format) -> Item | str:
        """The object in an answer, or why `form` cannot write it."""

    @abstractmethod
    def truth(self, text: str, item: Object, sample: Sample) -> dict[str, Any]:
        """The object in the truth."""

    def judge(self, objects: list[Object]) -> str:
        """The verifier for an answer about `objects`."""
        return self.verifier


def _many(saying: Saying) -> Targets:
    return "one" if len(saying.objects) == 1 else "several"
