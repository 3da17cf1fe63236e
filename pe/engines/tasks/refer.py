"""Referring: the boxes of what an expression means: one object, several, or none."""

from __future__ import annotations

from typing import Any

from pe.engines.tasks._query import Query
from pe.engines.tasks._shapes import target
from pe.formats import Format, Item
from pe.schemas.sample import Object, Sample

__all__ = ["Refer"]


class Refer(Query):
    """Scored by the box's IoU where the expression means one object, as a detection otherwise."""

    topics = ("refer",)
    verifier = "detection"
    ability = "referring"
    shape = "bbox"

    def item(self, text: str, item: Object, sample: Sample, form: Format) -> Item | str:
        """See Query."""
        return Item(text, bbox=item.bbox)

    def truth(self, text: str, item: Object, sample: Sample) -> dict[str, Any]:
        """See Query."""
        return target(item, text)

    def judge(self, objects: list[Object]) -> str:
        """See Query."""
        return "box-iou" if len(objects) == 1 else self.verifier
