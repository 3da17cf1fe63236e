"""Spatial pointing: a point on what an expression finds by its place ("the ring left of the key")."""

from __future__ import annotations

from typing import Any

from pe.engines.tasks._query import Query, QueryParameters
from pe.engines.tasks._said import Source
from pe.engines.tasks._shapes import mask_target, point_of, size_of
from pe.formats import Format, Item
from pe.schemas.sample import Object, Sample

__all__ = ["SpatialPointing"]


class SpatialPointingParameters(QueryParameters):
    """`kinds` are the kinds of expressions that tell a place: relations between objects, and places in a row."""

    source: Source = "expressions"
    kinds: tuple[str, ...] = ("relation", "ordinal")


class SpatialPointing(Query):
    """Points on objects alone: an empty place ("the free space beside the cup") is in no record."""

    Parameters = SpatialPointingParameters
    topics = ("spatial-pointing",)
    verifier = "point-in-box"
    ability = "spatial-pointing"
    shape = "point"

    def item(self, text: str, item: Object, sample: Sample, form: Format) -> Item | str:
        """See Query."""
        return Item(text, point=point_of(item, size_of(sample)))

    def truth(self, text: str, item: Object, sample: Sample) -> dict[str, Any]:
        """See Query."""
        image = size_of(sample)
        return {**mask_target(item, text, image), "point": list(point_of(item, image))}

    def judge(self, objects: list[Object]) -> str:
        """See Query."""
        return "point-in-mask" if objects and all(item.mask or item.rings for item in objects) else self.verifier
