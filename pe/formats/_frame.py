"""The sizes a format works in."""

from __future__ import annotations

from dataclasses import dataclass

from pe.formats._answer import Size


@dataclass(frozen=True)
class Frame:
    """`image`: (width, height) of the stored image; `shown`: of what the model sees, the same unless it is resized."""

    image: Size
    shown: Size

    def side(self, index: int) -> int:
        """The stored image's length along the axis of the `index`-th number of x, y, x, y ..."""
        return self.image[index % 2]

    def shown_side(self, index: int) -> int:
        """The same of what the model sees."""
        return self.shown[index % 2]
