"""Text to mask: the polygons of what an expression or a phrase means."""

from __future__ import annotations

from typing import Any

from pe.engines.tasks._query import Query, QueryParameters
from pe.engines.tasks._shapes import mask_target, rings_of, size_of
from pe.formats import Format, Item
from pe.schemas.sample import Object, Sample

__all__ = ["TextToMask"]


class TextToMaskParameters(QueryParameters):
    """`holes`: answer with the outer rings of an object that has holes, instead of leaving it out."""

    holes: bool = False


class TextToMask(Query):
    """An expression is left out where the format cannot write the rings of one of its objects.

    Scored by the IoU of all that is drawn where it means one object, object by object otherwise.
    """

    Parameters = TextToMaskParameters
    topics = ("text-to-mask",)
    verifier = "segmentation"
    ability = "segmentation"
    shape = "rings"

    def item(self, text: str, item: Object, sample: Sample, form: Format) -> Item | str:
        """See Query."""
        rings = rings_of(item, form, self.parameters.holes)
        return rings if isinstance(rings, str) else Item(text, rings=rings)

    def truth(self, text: str, item: Object, sample: Sample) -> dict[str, Any]:
        """See Query."""
        return mask_target(item, text, size_of(sample))

    def judge(self, objects: list[Object]) -> str:
        """See Query."""
        return "polygon-iou" if len(objects) == 1 else self.verifier
