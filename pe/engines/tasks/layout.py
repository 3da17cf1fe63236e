"""Layout: the parts of a page, from existing annotations."""

from __future__ import annotations

from pe.engines.tasks.detect import Detect

__all__ = ["Layout"]


class Layout(Detect):
    """Detection in the words of documents. `categories` are the kinds of parts that the data tell apart."""

    topics = ("layout",)
    ability = "layout"
