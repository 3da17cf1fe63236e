"""GUI grounding: the box of a named element of a screen."""

from __future__ import annotations

from pe.engines.tasks._screen import Screen
from pe.formats import Format, Item
from pe.schemas.sample import Object

__all__ = ["GuiBox"]


class GuiBox(Screen):
    """From existing annotations of screens."""

    topics = ("gui-box",)

    def fits(self, form: Format) -> bool:
        """See Screen."""
        return "bbox" in form.writes

    def item(self, name: str, item: Object) -> Item:
        """See Screen."""
        return Item(name, bbox=item.bbox)
