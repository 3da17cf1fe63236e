"""Reading: what is written in the picture, with boxes or corners or as plain text, and where a text stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask, clean, missing
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._shapes import in_order, target
from pe.formats import Answer, Format, Item
from pe.schemas.sample import Object, Sample

__all__ = ["ReadText"]

Way = Literal["boxes", "quads", "text"]


class ReadTextParameters(Asking):
    """`unit`: what one object with text is in these data. `answer`: "boxes", "quads" or "text"; "auto" the first of
    them that the format writes. `find`: ask where each text stands, too. `empty`: ask pictures without text as well;
    only for data in which all text is annotated.
    """

    unit: Literal["word", "text line"] = "text line"
    answer: Literal["auto", "boxes", "quads", "text"] = "auto"
    find: bool = False
    empty: bool = False


class ReadText(AskingTask):
    """One question for the whole picture; texts that are not in it are asked for one by one ("where does it say ...?").

    In an answer with places the phrase of an object is what it reads. Objects come in reading order: by lines, then
    from left to right.
    """

    Parameters = ReadTextParameters
    topics = ("read-boxes", "read-quads", "transcribe", "find-text")
    verifier = "ocr"
    ability = "ocr"

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        written = [(clean(item.text or ""), item) for item in sample.objects()]
        lines = reading_lines([item for text, item in written if text])
        found = [(clean(item.text or ""), item) for line in lines for item in line]
        way = self._way(form)
        if way is None:
            self.skipped["the format writes neither named places nor text"] += 1
        elif found or self.parameters.empty:
            yield from self._read(way, lines, found, form, rng)
        if found or self.parameters.empty:
            yield from self._find(found, absent, form, rng)

    def _read(
        self,
        way: Way,
        lines: list[list[Object]],
        found: list[tuple[str, Object]],
        form: Format,
        rng: np.random.Generator,
    ) -> Iterator[Exchange]:
        values = {"unit": self.parameters.unit}
        if way == "text":
            text = "\n".join(" ".join(clean(item.text or "") for item in line) for line in lines)
            if text:
                answer, whole = Answer(text=text), {"text": text}
                yield self.exchange("transcribe", form, values, answer, whole, rng, settings={"region": "none"})
            return
        if not all(self.askable(text, form) for text, _ in found) or not (found or self.can_deny(form)):
            return
        items = []
        for text, item in found:
            if way == "boxes":
                items.append(Item(text, bbox=item.bbox))
            elif item.quad is not None and len(item.quad) == 8:
                items.append(Item(text, rings=(tuple(item.quad),)))
            else:
                self.skipped["a text has no four corners"] += 1
                return
        truth = {"objects": [_written(text, item) for text, item in found]}
        settings = {"region": "quad" if way == "quads" else "box"}
        yield self.exchange(f"read-{way}", form, values, Answer(tuple(items)), truth, rng, settings=settings)

    def _find(
        self, found: list[tuple[str, Object]], absent: Sequence[str], form: Format, rng: np.random.Generator
    ) -> Iterator[Exchange]:
        if "bbox" not in form.writes:
            if absent or self.parameters.find:
                self.skipped["the format does not write bbox"] += 1
            return
        groups: dict[str, list[Object]] = {}
        for text, item in found:
            groups.setdefault(text, []).append(item)
        there = [text for text in groups if self.parameters.find and self.askable(text, form)]
        away = [text for text in missing(absent, list(groups)) if self.askable(text, form)]
        for text in [*self.some(there, rng), *(away if away and self.can_deny(form) else [])]:
            objects = in_order(groups.get(text, []))
            answer = Answer(tuple(Item(text, bbox=item.bbox) for item in objects), () if objects else (text,))
            truth = {"objects": [target(item, text) for item in objects], "negatives": [] if objects else [text]}
            yield self.exchange("find-text", form, {"phrase": text}, answer, truth, rng, "detection")

    def _way(self, form: Format) -> Way | None:
        ways: tuple[Way, ...] = ("boxes", "quads", "text")
        if self.parameters.answer != "auto":
            ways = (self.parameters.answer,)
        can = {
            "boxes": form.named and "bbox" in form.writes,
            "quads": form.named and "rings" in form.writes and form.corners in (0, 4),
            "text": "text" in form.writes,
        }
        return next((way for way in ways if can[way]), None)


def reading_lines(objects: list[Object]) -> list[list[Object]]:
    """The objects in reading order: lines from top to bottom, each from left to right.

    An object joins the line above it when its middle lies within the vertical extent of that line's first object.
    """
    lines: list[list[Object]] = []
    for item in sorted(objects, key=lambda item: (item.bbox[1] + item.bbox[3], item.bbox[0], item.id)):
        middle = (item.bbox[1] + item.bbox[3]) / 2
        if lines and lines[-1][0].bbox[1] <= middle < lines[-1][0].bbox[3]:
            lines[-1].append(item)
        else:
            lines.append([item])
    return [in_order(line) for line in lines]


def _written(text: str, item: Object) -> dict[str, Any]:
    corners = {"rings": [item.quad]} if item.quad is not None and len(item.quad) == 8 else {}
    return target(item, text, text=text, **corners)
