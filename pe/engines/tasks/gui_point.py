"""GUI pointing: where to click for a named element of a screen."""

from __future__ import annotations

from pe.engines.tasks._screen import Screen
from pe.formats import Format, Item
from pe.schemas.sample import Object

__all__ = ["GuiPoint"]


class GuiPoint(Screen):
    """The middle of the element's box; any point in the box is right."""

    topics = ("gui-point",)

    def fits(self, form: Format) -> bool:
        """See Screen."""
        return "point" in form.writes

    def item(self, name: str, item: Object) -> Item:
        """See Screen."""
        x0, y0, x1, y1 = item.bbox
        return Item(name, point=((x0 + x1) / 2, (y0 + y1) / 2))
