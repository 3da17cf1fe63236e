"""Pictures by the length of their sides."""

from __future__ import annotations

from pydantic import Field

from pe.engines.filters._base import Filter
from pe.shards.pictures import Picture

__all__ = ["Size"]


class Size(Filter):
    """Keeps pictures whose shorter side is at least `min_side` and whose longer side is at most `max_side` pixels."""

    min_side: int = Field(0, ge=0)
    max_side: int = Field(0, ge=0)

    def picture(self, picture: Picture) -> str:
        size = f"{picture.width}x{picture.height}"
        if min(picture.width, picture.height) < self.min_side:
            return f"{size}: a side is under {self.min_side} px"
        if self.max_side and max(picture.width, picture.height) > self.max_side:
            return f"{size}: a side is over {self.max_side} px"
        return ""
