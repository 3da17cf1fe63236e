"""Text to box: SimpleSeg's pair of the two."""

from __future__ import annotations

from pe.engines.tasks.refer import Refer

__all__ = ["TextToBox"]


class TextToBox(Refer):
    """Referring in the words of the four-tuple (text, point, box, mask)."""

    topics = ("text-to-box",)
    ability = "grounding"
