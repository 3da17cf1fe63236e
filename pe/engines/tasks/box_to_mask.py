"""Box to mask: the polygon of the object that a box in the question encloses."""

from __future__ import annotations

from pe.engines.tasks._prompted import ShownToMask

__all__ = ["BoxToMask"]


class BoxToMask(ShownToMask):
    """SimpleSeg's pair of the two."""

    topics = ("box-to-mask",)
    shows = "bbox"
    placeholder = "box"
