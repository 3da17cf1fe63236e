"""Point to mask: the polygon of the object that a point in the question lies on."""

from __future__ import annotations

from pe.engines.tasks._prompted import ShownToMask

__all__ = ["PointToMask"]


class PointToMask(ShownToMask):
    """SimpleSeg's pair of the two."""

    topics = ("point-to-mask",)
    shows = "point"
    placeholder = "point"
