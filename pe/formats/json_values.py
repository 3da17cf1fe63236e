"""JSON without coordinates: an answer of keys and values, as valid JSON."""

from __future__ import annotations

import json
from typing import Any

from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._json import CUT, Array, Table, is_closed, read_values
from pe.formats._reading import Reading
from pe.formats._words import says_none, unwrap

__all__ = ["JsonValues"]


class JsonValues(Format):
    """The last list or object of the text, mended where it has to be; `text` is JSON. Read only."""

    grammar = '```json {"KEY": "VALUE", ...} ```'
    coordinates = "none"
    rounding = "read only"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading)
        values = [
            value for value in read_values(body) if any(isinstance(v, tuple | list) for v in value.node) or value.node
        ]
        if not values:
            reading.none = says_none(body)
            return
        last = max(values, key=lambda value: (isinstance(value.node, Table), len(value.node)))
        for repair in last.repairs:
            reading.repair(repair)
        for note in last.notes:
            reading.note(note)
        if not is_closed(last.node):
            reading.cut()
        plain = _plain(last.node)
        reading.answered = bool(plain) and (
            isinstance(last.node, Table) or not isinstance(last.node, Array) or last.node.closed
        )
        reading.text = json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """`value` in dictionaries and lists, what was cut short left out."""
    if isinstance(value, Table):
        return {key: _plain(inner) for key, inner in value if inner is not CUT}
    if isinstance(value, list):
        return [_plain(inner) for inner in value if inner is not CUT]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value
