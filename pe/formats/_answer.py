"""What an answer holds: objects with a phrase and one shape, phrases said to be absent, and words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Size = tuple[int, int]
Shape = Literal["bbox", "point", "rings", "keypoints", "text"]
Status = Literal["ok", "repaired", "truncated", "none-present", "unparsable"]


@dataclass(frozen=True)
class Item:
    """One object of an answer, in absolute pixels of the stored image, edge coordinates, origin top left.

    `phrase` is what the object is called, or what it reads in an answer about text. Exactly one of `bbox` (x0, y0, x1,
    y1), `point` (x, y) and `rings` (flat x, y, x, y, ... one a part; a quad is one ring of 8 numbers) is given;
    `keypoints` (name to x, y, or None for one that cannot be seen) come with a `bbox`. Raises ValueError otherwise, for
    a ring that is not of at least three vertices and for numbers that are not finite.
    """

    phrase: str = ""
    bbox: Box | None = None
    point: Point | None = None
    rings: tuple[tuple[float, ...], ...] | None = None
    keypoints: Mapping[str, Point | None] | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        if (self.bbox is not None) + (self.point is not None) + (self.rings is not None) != 1:
            raise ValueError("an item has exactly one of bbox, point and rings")
        if self.bbox is not None and self.keypoints is None and all(map(math.isfinite, self.bbox)):
            return
        if self.keypoints is not None and self.bbox is None:
            raise ValueError("keypoints come with a bbox")
        if self.rings is not None and (not self.rings or any(len(ring) < 6 or len(ring) % 2 for ring in self.rings)):
            raise ValueError("a ring is x, y, x, y, ... of at least three vertices")
        if not all(map(math.isfinite, self.numbers())):
            raise ValueError("a coordinate is not finite")

    @property
    def shape(self) -> Shape:
        """Which shape the item has; a box with key points is "keypoints"."""
        if self.keypoints is not None:
            return "keypoints"
        return "bbox" if self.bbox is not None else "point" if self.point is not None else "rings"

    def numbers(self) -> list[float]:
        """All coordinates, x and y in turn."""
        flat = [*(self.bbox or ()), *(self.point or ())]
        for ring in self.rings or ():
            flat.extend(ring)
        for point in (self.keypoints or {}).values():
            flat.extend(point or ())
        return flat


@dataclass(frozen=True)
class Answer:
    """What a model says: its `objects` in order, phrases it calls `absent`, its `text`, and the `thought` before it."""

    objects: tuple[Item, ...] = ()
    absent: tuple[str, ...] = ()
    text: str = ""
    thought: str = ""


@dataclass(frozen=True)
class Decoded(Answer):
    """An answer that was read, and how.

    `status` is "ok"; "repaired" when something had to be mended; "truncated" when the end is missing (what was whole is
    in `objects`); "none-present" when the text says that nothing is there; "unparsable" when it holds no answer in this
    format. `notes` say what was mended, dropped or taken for granted.
    """

    status: Status = "ok"
    notes: tuple[str, ...] = ()
