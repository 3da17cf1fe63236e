"""Rex-Omni: every coordinate one of 1000 special tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, ClassVar

from pe.formats._answer import Answer, Item, Point
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._json import Table, is_closed, read_values
from pe.formats._reading import MAX_OBJECTS, Kind, Reading
from pe.formats._tagged import BOX, BOX_END, REF, REF_END, Span, spans
from pe.formats._vocabulary import Vocabulary
from pe.formats._words import says_none, unwrap

__all__ = ["RexOmni"]

_BIN = re.compile(r"<\s?(\d{1,4})\s?>")
UNSEEN = "unvisible"  # the spelling is the model's


class RexOmni(Format):
    """IDEA-Research/Rex-Omni, arXiv 2510.12798. The phrase of an OCR answer is what the object reads.

    Runs of objects with one phrase share its tags. Two tokens are a point, four a box, more a polygon. Objects with key
    points are JSON. The reference boxes of a visual prompt are `visual_prompt`.
    """

    grammar = (
        f"{REF}PHRASE{REF_END}{BOX}<x0><y0><x1><y1>,...{BOX_END}, ... | <x><y> | <x><y><x><y><x><y>... | None | "
        '```json {"PHRASE1": {"bbox": " <x0> <y0> <x1> <y1> ", "keypoints": {"NAME": " <x> <y> " | "unvisible"}}} ```'
    )
    coordinates = "tokens <0>..<999>, v/999 of each side of the stored image"
    rounding = "nearest, halves up"
    writes = frozenset({"bbox", "point", "rings", "keypoints"})
    reserved = ("<|",)
    vocabulary = Vocabulary("<{}>", 1000, "taken")
    _grid: ClassVar[Grid] = Grid(999)

    def visual_prompt(self, boxes: Sequence[Sequence[float]], image: tuple[int, int]) -> str:
        """The reference boxes (pixels, x0, y0, x1, y1) of a question as Rex-Omni takes them: {"object_1": [...]}."""
        frame = self._frame(image, None)
        return json.dumps({"object_1": [self._tokens(box, frame) for box in boxes]})

    def _write(self, answer: Answer, frame: Frame) -> str:
        if any(item.keypoints is not None for item in answer.objects):
            return self._keypoint_json(answer.objects, frame)
        parts = [self._run(phrase, items, frame) for phrase, items in groupby(answer.objects, lambda item: item.phrase)]
        parts += [f"{REF}{phrase}{REF_END}{BOX}None{BOX_END}" for phrase in answer.absent]
        return ", ".join(parts) or "None"

    def _run(self, phrase: str, items: Iterable[Item], frame: Frame) -> str:
        groups = ",".join(self._tokens(item.numbers(), frame) for item in items)
        return f"{REF}{phrase}{REF_END}{BOX}{groups}{BOX_END}"

    def _tokens(self, numbers: Sequence[float], frame: Frame, space: str = "") -> str:
        return space.join(f"<{self._grid.write(value, frame.side(index))}>" for index, value in enumerate(numbers))

    def _keypoint_json(self, items: Sequence[Item], frame: Frame) -> str:
        rows: dict[str, Any] = {}
        counts: dict[str, int] = {}
        for item in items:
            counts[item.phrase] = counts.get(item.phrase, 0) + 1
            points = {
                name: f" {self._tokens(point, frame, ' ')} " if point else UNSEEN
                for name, point in (item.keypoints or {}).items()
            }
            box = f" {self._tokens(item.bbox or (), frame, ' ')} "
            rows[f"{item.phrase}{counts[item.phrase]}"] = {"bbox": box, "keypoints": points}
        return f"```json\n{json.dumps(rows, ensure_ascii=False)}\n```"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        if BOX not in body and "{" in body:
            self._read_keypoints(body, frame, reading)
            return
        lengths: set[int] = set()
        for span in spans(body):
            reading.begun = True
            if span.tag == BOX:
                self._read_span(span, lengths, frame, reading)
            else:
                reading.cut()
        if not reading.begun:
            reading.none = says_none(body)

    def _read_span(self, span: Span, lengths: set[int], frame: Frame, reading: Reading) -> None:
        """Add the objects of `span`. `lengths`: of the whole ones so far; the last one of an open span is whole only if
        it is as long as all of them, since a box may be the beginning of a polygon."""
        groups = [group for group in span.body.split(",") if group.strip()]
        for place, group in enumerate(groups[: MAX_OBJECTS + 1]):
            bins = [int(value) for value in _BIN.findall(group)]
            whole = span.closed or place < len(groups) - 1 or (lengths == {len(bins)} and group.rstrip().endswith(">"))
            if not whole:
                reading.cut()
            elif not bins and says_none(group):
                reading.absent.append(span.phrase)
            elif not bins or _BIN.sub("", group).strip():
                reading.repair("an object that is no run of tokens was dropped")
            elif max(bins) > self._grid.top:
                reading.repair("an object off the grid was dropped")
            else:
                lengths.add(len(bins))
                self._add(bins, span.phrase, frame, reading)
        if not groups and span.closed:
            reading.absent.append(span.phrase)
        if not span.closed:
            reading.cut()

    def _add(self, bins: Sequence[int], phrase: str, frame: Frame, reading: Reading) -> None:
        kinds: dict[int, Kind] = {2: "point", 4: "bbox"}
        reading.add(kinds.get(len(bins), "rings"), self._pixels(bins, frame), phrase)

    def _pixels(self, bins: Sequence[int], frame: Frame) -> list[float]:
        return [self._grid.read(value, frame.side(index)) for index, value in enumerate(bins)]

    def _read_keypoints(self, body: str, frame: Frame, reading: Reading) -> None:
        for value in read_values(body):
            if not isinstance(value.node, Table):
                continue
            for repair in value.repairs:
                reading.repair(repair)
            if not is_closed(value.node):
                reading.cut()
            for name, instance in value.node:
                reading.begun = True
                if not isinstance(instance, Table) or not is_closed(instance):
                    reading.cut() if reading.truncated else reading.repair("an object without a box was dropped")
                    continue
                fields = dict(instance)
                bins = self._bins(fields.get("bbox", fields.get("box")), 4)
                if bins is None:
                    reading.repair("an object without a box was dropped")
                    continue
                points = fields.get("keypoints")
                keypoints = (
                    {key: self._point(bins_, frame) for key, bins_ in points} if isinstance(points, Table) else {}
                )
                phrase = self._kind_of(name)
                reading.add("bbox", self._pixels(bins, frame), phrase, keypoints=keypoints)
        if not reading.begun:
            reading.none = says_none(body)

    def _point(self, value: Any, frame: Frame) -> Point | None:
        bins = self._bins(value, 2)
        return (self._pixels(bins, frame)[0], self._pixels(bins, frame)[1]) if bins else None

    def _bins(self, value: Any, count: int) -> list[int] | None:
        """The `count` bins of a string of tokens; None for anything else."""
        bins = [int(part) for part in _BIN.findall(value)] if isinstance(value, str) and len(value) <= 128 else []
        return bins if len(bins) == count and max(bins) <= self._grid.top else None

    @staticmethod
    def _kind_of(name: str) -> str:
        return name.rstrip("0123456789").rstrip("_ ")

    def _step(self, frame: Frame) -> tuple[float, float]:
        return self._grid.step(frame.image[0]), self._grid.step(frame.image[1])
