"""What a decoder gathers while it reads, and the status that follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pe.formats._answer import Decoded, Item, Point, Status

MAX_OBJECTS = 1_000
Kind = Literal["bbox", "point", "rings"]


class Full(Exception):
    """More objects than an answer has: the text is endless."""


@dataclass
class Reading:
    """Objects, absences, words and remarks; `done` makes them a `Decoded`.

    `none`: the text says that nothing is there. `begun`: a coordinate was met, so that an end without any object is an
    answer cut short. `degenerate`: it holds a number that cannot be one. `answered`: the text itself is the answer.
    """

    items: list[Item] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    text: str = ""
    thought: str = ""
    repaired: bool = False
    truncated: bool = False
    none: bool = False
    begun: bool = False
    degenerate: bool = False
    answered: bool = False

    def note(self, what: str) -> None:
        """Remember `what`, once."""
        if what not in self.notes:
            self.notes.append(what)

    def repair(self, what: str) -> None:
        """Something was mended."""
        self.repaired = True
        self.note(what)

    def cut(self, what: str = "the end is missing") -> None:
        """The text stops early."""
        self.truncated = True
        self.note(what)

    def add(
        self,
        kind: Kind,
        numbers: Sequence[float],
        phrase: str = "",
        *,
        score: float | None = None,
        keypoints: dict[str, Point | None] | None = None,
        keep_order: bool = False,
    ) -> bool:
        """Add one object with `numbers` in pixels (4 for a box, 2 for a point, one ring); False if it is none.

        A box with swapped corners is put in order unless `keep_order`. Raises Full beyond 1,000 objects.
        """
        if len(self.items) >= MAX_OBJECTS:
            raise Full
        if not all(map(math.isfinite, numbers)):
            self.repair("an object without finite coordinates was dropped")
            return False
        if kind == "bbox" and len(numbers) == 4:
            x0, y0, x1, y1 = numbers
            if not keep_order and (x0 > x1 or y0 > y1):
                self.repair("corners were swapped")
                x0, y0, x1, y1 = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
            self.items.append(Item(phrase, bbox=(x0, y0, x1, y1), score=score, keypoints=keypoints))
        elif kind == "point" and len(numbers) == 2:
            self.items.append(Item(phrase, point=(numbers[0], numbers[1]), score=score))
        elif kind == "rings" and len(numbers) >= 6 and len(numbers) % 2 == 0:
            self.items.append(Item(phrase, rings=(tuple(numbers),), score=score))
        else:
            self.repair("an object with a wrong count of numbers was dropped")
            return False
        return True

    def done(self, asked: str = "") -> Decoded:
        """The result; `asked` becomes the phrase of objects that have none, and of what is absent."""
        items = tuple(item if item.phrase or not asked else replace(item, phrase=asked) for item in self.items)
        absent = tuple(self.absent) or ((asked,) if asked and not items and self.none else ())
        return Decoded(items, absent, self.text, self.thought, self._status(), tuple(self.notes))

    def _status(self) -> Status:
        if self.items or self.answered:
            return "truncated" if self.truncated else "repaired" if self.repaired else "ok"
        if self.truncated and (self.begun or self.absent) and not self.degenerate:
            return "truncated"
        return "none-present" if (self.none or self.absent) and not self.degenerate else "unparsable"
