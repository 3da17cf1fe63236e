"""Instances by the share of the picture that their box covers."""

from __future__ import annotations

from pydantic import Field

from pe.annotators.base import Instance
from pe.engines.filters._base import Filter
from pe.shards.pictures import Picture

__all__ = ["Share"]


class Share(Filter):
    """Keeps instances whose box covers between `min` and `max` of the picture's area (V-Triune drops over one half)."""

    min: float = Field(0.0, ge=0, le=1)
    max: float = Field(1.0, ge=0, le=1)

    def instance(self, picture: Picture, instance: Instance) -> str:
        x0, y0, x1, y1 = instance.box
        share = (x1 - x0) * (y1 - y0) / (picture.width * picture.height)
        return "" if self.min <= share <= self.max else "share"
