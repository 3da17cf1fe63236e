"""Visual-RFT: Python dictionaries with Position and Confidence in answer tags, per mille."""

from __future__ import annotations

from pe.formats._dialect import JsonFormat

__all__ = ["VisualRft"]


class VisualRft(JsonFormat):
    """Liuziyu77/Visual-RFT, arXiv 2503.01785; "No Objects" for none. Read only."""

    grammar = "<think> ... </think> <answer>[{'Position': [x0, y0, x1, y1], 'Confidence': C}, ...]</answer>"
    coordinates = "0..1000 of each side"
    rounding = "read only"
    writes = frozenset()
    units = "thousandths"
    python = True
