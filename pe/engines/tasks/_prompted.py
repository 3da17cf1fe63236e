"""Tasks that show one object of a record by its coordinates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._said import Source, sayings
from pe.engines.tasks._shapes import mask_target, point_of, rings_of, shown, size_of
from pe.formats import Answer, Format, Item, Shape
from pe.registry import load
from pe.schemas.sample import Object, Sample

SOURCES: tuple[Source, ...] = ("captions", "expressions", "phrases")


class PromptedParameters(Asking):
    """`holes`: show or answer with the outer rings of an object that has holes, instead of leaving it out.

    `coordinates`: the format in which the question shows the object; "": the answer's own, or simpleseg where the
    answer's format does not write that shape (every ring of it).
    """

    holes: bool = False
    coordinates: str = ""


class ShownToTextParameters(PromptedParameters):
    """`says`: which of "captions", "expressions" (those of one object) and "phrases" is the answer; "auto" the first of
    them that an object has."""

    says: Source = "auto"


class Prompted(AskingTask):
    """One question for each object, about the box, point or mask (`shows`) that stands in it. There is no negative."""

    Parameters = PromptedParameters
    shows: ClassVar[Shape]
    placeholder: ClassVar[str]

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if not self.fits(form):
            return
        writer = self._writer(form)
        ready: list[tuple[Item, Answer, dict[str, Any]]] = []
        objects = sample.objects()
        known = self.known(sample, objects)
        for item in objects:
            told = self._shown(item, writer, sample)
            answer = self.answer(item, form, known)
            for reason in (told, answer):
                if isinstance(reason, str):
                    self.skipped[reason] += 1
                    break
            else:
                assert isinstance(told, Item)
                assert isinstance(answer, Answer)
                ready.append((told, answer, self.truth(item, answer, sample)))
        for told, answer, truth in self.some(ready, rng):
            values = {self.placeholder: shown([told], writer, sample)}
            yield self.exchange(self.topics[0], form, values, answer, truth, rng)

    def _writer(self, form: Format) -> Format:
        if self.parameters.coordinates:
            chosen: Format = load("formats", self.parameters.coordinates)()
            return chosen
        if self.shows in form.writes and not (self.shows == "rings" and form.corners):
            return form
        plain: Format = load("formats", "simpleseg")()
        return plain

    def _shown(self, item: Object, writer: Format, sample: Sample) -> Item | str:
        if self.shows not in writer.writes:
            return f"the format of the coordinates does not write {self.shows}"
        if self.shows == "bbox":
            return Item(bbox=item.bbox)
        if self.shows == "point":
            return Item(point=point_of(item, size_of(sample)))
        rings = rings_of(item, writer, self.parameters.holes)
        return rings if isinstance(rings, str) else Item(rings=rings)

    @abstractmethod
    def fits(self, form: Format) -> bool:
        """Whether `form` writes the answers; counts what it does not."""

    def known(self, sample: Sample, objects: list[Object]) -> dict[int, str]:
        """What the record says of its objects, by their ids, for `answer`."""
        return {}

    @abstractmethod
    def answer(self, item: Object, form: Format, known: dict[int, str]) -> Answer | str:
        """What is right for the object, or why it cannot be said."""

    @abstractmethod
    def truth(self, item: Object, answer: Answer, sample: Sample) -> dict[str, Any]:
        """The truth about the object."""


class ShownToMask(Prompted):
    """The answer is the mask of the object, its name unsaid; in formats that write names it is "object"."""

    verifier = "polygon-iou"
    ability = "segmentation"
    name: ClassVar[str] = "object"

    def fits(self, form: Format) -> bool:
        """See Prompted."""
        if "rings" not in form.writes:
            self.skipped["the format does not write rings"] += 1
        return "rings" in form.writes

    def answer(self, item: Object, form: Format, known: dict[int, str]) -> Answer | str:
        """See Prompted."""
        rings = rings_of(item, form, self.parameters.holes)
        return rings if isinstance(rings, str) else Answer((Item(self.name, rings=rings),))

    def truth(self, item: Object, answer: Answer, sample: Sample) -> dict[str, Any]:
        """See Prompted."""
        return {"objects": [mask_target(item, self.name, size_of(sample))]}


class ShownToText(Prompted):
    """The answer is what the record says of the object alone: its caption, else an expression, else its phrase."""

    Parameters = ShownToTextParameters
    ability = "captioning"

    def known(self, sample: Sample, objects: list[Object]) -> dict[int, str]:
        """See Prompted."""
        found: dict[int, str] = {}
        for source in SOURCES if self.parameters.says == "auto" else (self.parameters.says,):
            for saying in sayings(sample, objects, source):
                for item in saying.objects if source != "expressions" or len(saying.objects) == 1 else ():
                    found.setdefault(item.id, saying.text)
        return found

    def fits(self, form: Format) -> bool:
        """See Prompted."""
        if "text" not in form.writes:
            self.skipped["the format does not write text"] += 1
        return "text" in form.writes

    def answer(self, item: Object, form: Format, known: dict[int, str]) -> Answer | str:
        """See Prompted."""
        text = known.get(item.id, "")
        return Answer(text=text) if text else "an object has no caption, expression or phrase"

    def truth(self, item: Object, answer: Answer, sample: Sample) -> dict[str, Any]:
        """See Prompted."""
        return {"text": answer.text}
