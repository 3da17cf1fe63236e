"""Pictures by their aspect ratio."""

from __future__ import annotations

from pydantic import Field

from pe.engines.filters._base import Filter
from pe.shards.pictures import Picture

__all__ = ["Aspect"]


class Aspect(Filter):
    """Keeps pictures whose longer side is at most `max` times the shorter one."""

    max: float = Field(3.0, ge=1)

    def picture(self, picture: Picture) -> str:
        ratio = max(picture.width, picture.height) / min(picture.width, picture.height)
        return f"{picture.width}x{picture.height}: aspect {ratio:.2f} is over {self.max:g}" if ratio > self.max else ""
