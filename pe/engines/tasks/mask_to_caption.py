"""Mask to caption: what a polygon of the question encloses."""

from __future__ import annotations

from pe.engines.tasks._prompted import ShownToText

__all__ = ["MaskToCaption"]


class MaskToCaption(ShownToText):
    """Nothing scores it unless the parameters name a verifier."""

    topics = ("mask-to-caption",)
    shows = "rings"
    placeholder = "mask"
