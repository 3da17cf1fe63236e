"""Pointing: one point on every object of one or many phrases."""

from __future__ import annotations

from typing import Any

from pe.engines.tasks._inventory import Inventory
from pe.engines.tasks._shapes import mask_target, point_of, size_of
from pe.formats import Item
from pe.schemas.sample import Object, Sample

__all__ = ["PointTask"]


class PointTask(Inventory):
    """The record's own point, else the one deepest in the mask, else the middle of the box.

    Scored by the mask where every object has one, by the box otherwise.
    """

    topics = ("point",)
    verifier = "point-in-box"
    ability = "pointing"
    shape = "point"

    def item(self, phrase: str, item: Object, sample: Sample) -> Item:
        """See Inventory."""
        return Item(phrase, point=point_of(item, size_of(sample)))

    def truth(self, phrase: str, item: Object, sample: Sample) -> dict[str, Any]:
        """See Inventory."""
        image = size_of(sample)
        return {**mask_target(item, phrase, image), "point": list(point_of(item, image))}

    def judge(self, objects: list[Object]) -> str:
        """See Inventory."""
        return "point-in-mask" if objects and all(item.mask or item.rings for item in objects) else self.verifier
