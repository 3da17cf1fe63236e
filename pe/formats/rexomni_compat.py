"""Rex-Omni as its released code reads and writes: bins rounded down, corners kept, a box cut short is a point."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pe.formats._answer import Item
from pe.formats._frame import Frame
from pe.formats._grid import Grid
from pe.formats._reading import Kind, Reading
from pe.formats._tagged import BOX, BOX_END, Span, spans
from pe.formats.rexomni import _BIN, RexOmni

__all__ = ["RexOmniCompat"]


class RexOmniCompat(RexOmni):
    """IDEA-Research/Rex-Omni@478e44f, rex_omni/parser.py, and its converter for training.

    The text ends at <|im_end|>, and a missing <|box_end|> is appended. A phrase with "<" is lost with its objects,
    odd runs of tokens are dropped, key points need valid JSON and lose only digits from their names ("cat_1": "cat_").
    Objects of one run are written in the order of their first bin.
    """

    rounding = "down; objects of a phrase sorted by x"
    _grid = Grid(999, "floor")

    def _run(self, phrase: str, items: Iterable[Item], frame: Frame) -> str:
        return super()._run(
            phrase, sorted(items, key=lambda item: self._grid.write(item.numbers()[0], frame.side(0))), frame
        )

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = text.partition("<|im_end|>")[0]
        if BOX not in body and "```json" in body:
            self._read_keypoints(body, frame, reading)
            return
        for span in spans(body if body.rstrip().endswith(BOX_END) else body + BOX_END):
            reading.begun = True
            if span.tag == BOX and span.phrase and "<" not in span.phrase:
                self._read_span(span, set(), frame, reading)

    def _read_span(self, span: Span, lengths: set[int], frame: Frame, reading: Reading) -> None:
        before = len(reading.items)
        for group in span.body.split(","):
            bins = [int(value) for value in _BIN.findall(group)]
            if len(bins) >= 2 and len(bins) % 2 == 0:
                self._add(bins, span.phrase, frame, reading)
        if len(reading.items) == before:
            reading.absent.append(span.phrase)

    def _add(self, bins: Sequence[int], phrase: str, frame: Frame, reading: Reading) -> None:
        kinds: dict[int, Kind] = {2: "point", 4: "bbox"}
        reading.add(kinds.get(len(bins), "rings"), self._pixels(bins, frame), phrase, keep_order=True)

    def _read_keypoints(self, body: str, frame: Frame, reading: Reading) -> None:
        try:
            rows: dict[str, Any] = json.loads(body.partition("```json")[2].partition("```")[0])
        except (ValueError, RecursionError):
            return
        for name, row in rows.items() if isinstance(rows, dict) else ():
            bins = self._bins(row.get("bbox"), 4) if isinstance(row, dict) else None
            points = row.get("keypoints") if isinstance(row, dict) else None
            if bins is not None:
                keypoints = {key: self._point(value, frame) for key, value in points.items()} if points else {}
                phrase = name.rstrip("0123456789")
                reading.add("bbox", self._pixels(bins, frame), phrase, keypoints=keypoints, keep_order=True)
