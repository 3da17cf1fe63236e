"""Box to caption: what is in a box of the question."""

from __future__ import annotations

from pe.engines.tasks._prompted import ShownToText

__all__ = ["BoxToCaption"]


class BoxToCaption(ShownToText):
    """Nothing scores it unless the parameters name a verifier."""

    topics = ("box-to-caption",)
    shows = "bbox"
    placeholder = "box"
