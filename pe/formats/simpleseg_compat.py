"""SimpleSeg as its released code reads and writes: only whole polygons are seen, numbers round to even."""

from __future__ import annotations

from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._json import is_closed, read_values
from pe.formats._reading import Reading
from pe.formats.simpleseg import SimpleSeg, _ring

__all__ = ["SimpleSegCompat"]


class SimpleSegCompat(SimpleSeg):
    """songtianhui/SimpleSeg@694759b, data/data.py and the decoder of its README.

    A polygon that is not closed, a number without a leading digit or below 0, a bare point and a bare box match
    nothing. A polygon of fewer than three vertices, on which their rasteriser fails, is dropped here too.
    """

    rounding = "numpy's: nearest, halves to even"
    writes = frozenset({"rings"})
    _grid = Grid(1000, "even")

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        for value in read_values(text):
            nodes = [value.node] if _ring(value.node) is not None else value.node
            for node in [] if value.repairs or value.notes else nodes:
                ring = _ring(node) if isinstance(node, list) and is_closed(node) else None
                if ring and len(ring) >= 6 and min(ring) >= 0:
                    reading.add("rings", [number * frame.side(index) for index, number in enumerate(ring)])
