"""Tasks about the elements of a screen."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask, clean, missing
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._shapes import target
from pe.formats import Answer, Format, Item
from pe.schemas.sample import Object, Sample


class ScreenParameters(Asking):
    """`by`: what names an element: its "text", its "caption" (a description or an instruction) or its "phrase" (a
    kind); "auto": its caption, else its text."""

    by: Literal["auto", "text", "caption", "phrase"] = "auto"


class Screen(AskingTask):
    """One question for each element that its name tells from all others of the screen, and for each that is absent.

    A picture without a named element is no screen: nothing is asked.
    """

    Parameters = ScreenParameters
    verifier = "gui"
    ability = "gui"

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if not self.fits(form):
            self.skipped["the format does not write what is asked for"] += 1
            return
        named = [(self._name(item), item) for item in sample.objects()]
        times = Counter(name.casefold() for name, _ in named)
        there = []
        for name, item in named:
            if not name:
                self.skipped["an element has no name"] += 1
            elif times[name.casefold()] > 1:
                self.skipped["several elements have one name"] += 1
            elif self.askable(name, form):
                there.append((name, item))
        for name, item in self.some(there, rng):
            answer, truth = Answer((self.item(name, item),)), {"objects": [target(item, name)]}
            yield self.exchange(self.topics[0], form, {"phrase": name}, answer, truth, rng)
        for name in missing(absent, list(times)) if any(times) else []:
            if self.askable(name, form) and self.can_deny(form):
                answer = Answer(absent=(name,))
                yield self.exchange(self.topics[0], form, {"phrase": name}, answer, {"negatives": [name]}, rng)

    def _name(self, item: Object) -> str:
        names = {"text": item.text, "caption": item.caption, "phrase": item.phrase, "auto": item.caption or item.text}
        return clean(names[self.parameters.by] or "")

    @abstractmethod
    def fits(self, form: Format) -> bool:
        """Whether `form` writes the answers."""

    @abstractmethod
    def item(self, name: str, item: Object) -> Item:
        """The element in an answer."""
