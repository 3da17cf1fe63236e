"""Detection: the boxes of all objects of one or many phrases, some of them not there."""

from __future__ import annotations

from typing import Any

from pe.engines.tasks._inventory import Inventory
from pe.engines.tasks._shapes import target
from pe.formats import Item
from pe.schemas.sample import Object, Sample

__all__ = ["Detect"]


class Detect(Inventory):
    """Phrases in random order; the boxes of one phrase from left to right, as Rex-Omni sorts them."""

    topics = ("detect",)
    verifier = "detection"
    ability = "detection"
    shape = "bbox"

    def item(self, phrase: str, item: Object, sample: Sample) -> Item:
        """See Inventory."""
        return Item(phrase, bbox=item.bbox)

    def truth(self, phrase: str, item: Object, sample: Sample) -> dict[str, Any]:
        """See Inventory."""
        return target(item, phrase)
