"""A reader for JSON as models write it: tolerant, linear in the text's length, and never evaluating anything."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from pe.formats._strings import ends_string, unescape

MAX_DEPTH = 64
LONGEST_NUMBER = 32
MAX_VALUES = 400
MAX_WORK = 2_000  # tokens that the tolerant reader takes, some 300 objects: hostile text ends here

_NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?"
_TOKEN = re.compile(
    rf"""\s*+(
      [\[(]\s*+({_NUMBER}(?:\s*+,\s*+{_NUMBER})*+)\s*+[\])]
    | ["']([\w\ .-]{{1,64}}+)["']\s*+:
    | [\[(){{}}\]:"']
    | ,[,\s]*+
    | ({_NUMBER})(?![\w.])
    | [^\s\[\](){{}},:"']++
    )(\s*+,(?!\s*+[,\]}})]))?""",
    re.VERBOSE,
)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
_START = re.compile(r"[\[{]")
_WORDS: dict[str, Any] = {"None": None, "null": None, "true": True, "false": False, "True": True, "False": False}
_STRINGS = {quote: re.compile(rf"[^{quote}\\]*+(?:\\.[^{quote}\\]*+)*+", re.DOTALL) for quote in "\"'"}
_OPENERS = {"]": "[", ")": "(", "}": "{"}


class Cut:
    """Stands for a value that the end of the text cut short."""


CUT = Cut()


class Array(list[Any]):
    """A list; `closed` is False when the end of the text cut it short."""

    closed = False
    bracket = "["


class Table(list[tuple[str, Any]]):
    """Key and value pairs in order, repeated keys kept; a value without a key has the key ""."""

    closed = False
    bracket = "{"
    key: Any = CUT
    colon = False


@dataclass
class Value:
    """One top-level list or table, and what had to be mended in it. A plain list in it is a closed one."""

    node: list[Any]
    repairs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_closed(node: list[Any]) -> bool:
    """Whether a list or table stands in the text to its end."""
    return not isinstance(node, Array | Table) or node.closed


def read_values(text: str) -> list[Value]:
    """The top-level lists and tables of `text` in order; what stands between them is passed over.

    Valid JSON, and JSON but for single quotes, goes through the standard library. From the first fault on it takes what
    a careful reader would: Python's quotes, tuples and None, apostrophes and quotes inside strings, bare words,
    trailing, missing and doubled commas, wrong and missing brackets. What the end cuts short is marked: an open list or
    table is not `closed`, a scalar is `CUT`. Nesting beyond 64, more than 400 values and, where the text is not valid,
    more than 2,000 tokens end the reading.
    """
    if "'" in text and '"' not in text and "\\" not in text:
        values, position = _strict(text.replace("'", '"'))
        for value in values:
            value.notes.append("a Python literal")
    else:
        values, position = _strict(text)
    return values + Reader(text, position).values()


def _strict(text: str) -> tuple[list[Value], int]:
    """The valid values at the beginning of `text`, and where the first one that is not valid starts."""
    decoder = json.JSONDecoder(object_pairs_hook=_closed_table, strict=False)
    values: list[Value] = []
    position = 0
    if max(accumulate(map(_STEP.__getitem__, _NO_BRACKET.sub("", text))), default=0) > MAX_DEPTH:
        return values, position
    while len(values) < MAX_VALUES and (start := _START.search(text, position)):
        try:
            node, position = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            return values, start.start()
        values.append(Value(node))
    return values, len(text)


def _closed_table(pairs: list[tuple[str, Any]]) -> Table:
    table = Table(pairs)
    table.closed = True
    return table


class Reader:
    """One tolerant pass over `text` from `position`; `work` counts tokens and quotes inside strings."""

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.work = 0
        self._position = position
        self._stack: list[Array | Table] = []
        self._open = {"[": 0, "(": 0, "{": 0}
        self._last = "open"
        self._value = Value([])

    def values(self) -> list[Value]:
        """All top-level lists and tables."""
        found: list[Value] = []
        while self.work < MAX_WORK and len(found) < MAX_VALUES and (start := _START.search(self.text, self._position)):
            self._position = start.start()
            self._value = Value([])
            self._stack, self._open, self._last = [], {"[": 0, "(": 0, "{": 0}, "open"
            self._one()
            found.append(self._value)
        return found

    def _one(self) -> None:
        """Read one top-level value from the current position."""
        text, match_at = self.text, _TOKEN.match
        while True:
            match = match_at(text, self._position)
            self.work += 1
            if match is None or self.work > MAX_WORK or len(self._stack) > MAX_DEPTH:
                self._position = len(text)
                for node in self._stack:
                    if isinstance(node, Table) and node.colon:
                        node.append((str(node.key), CUT))
                return
            self._position = match.end()
            mark, numbers, key, number, comma = match.groups()
            if numbers is not None:
                if mark[0] + mark[-1] not in ("[]", "()"):
                    self._repair("a wrong bracket")
                if mark[0] == "(":
                    self._note("a Python literal")
                self._add(_numbers(numbers, mark[0]))
            elif key is not None:
                self._key(mark[0], key)
            elif number is not None:
                at_end = self._position == len(text) and len(number) <= LONGEST_NUMBER
                self._add(CUT if at_end else _number(number))
            elif mark in "[({":
                self._push(mark)
            elif mark in "])}":
                self._close(mark)
            elif mark in "\"'":
                self._position = match.end(1)
                comma = None
                self._add(self._string(mark))
            elif mark[0] == ",":
                self._comma(mark)
            elif mark == ":":
                self._colon()
            else:
                self._word(mark)
            if not self._stack:
                return
            if comma is not None:
                self._comma(",")

    def _push(self, bracket: str) -> None:
        node: Array | Table = Table() if bracket == "{" else Array()
        node.bracket = bracket
        if bracket == "(":
            self._note("a Python literal")
        if self._stack:
            self._add(node)
        else:
            self._value.node = node
        self._open[bracket] += 1
        self._stack.append(node)
        self._last = "open"

    def _add(self, value: Any) -> None:
        if not self._stack:
            self._value.node = value
            return
        top = self._stack[-1]
        if self._last == "value":
            self._repair("a missing comma")
        self._last = "value"
        if isinstance(top, Array):
            top.append(value)
        elif top.colon:
            top.append((str(top.key), value))
            top.key, top.colon = CUT, False
        elif isinstance(value, list):
            top.append(("" if top.key is CUT else str(top.key), value))
            top.key = CUT
        else:
            if top.key is not CUT:
                top.append(("", top.key))
            top.key = value

    def _key(self, quote: str, key: str) -> None:
        if quote == "'":
            self._note("a Python literal")
        self._add(key)
        self._colon()

    def _comma(self, run: str) -> None:
        if self._last in ("open", "comma") or run.count(",") > 1:
            self._repair("a comma too many")
        self._last = "comma"
        self._flush(self._stack[-1])

    def _colon(self) -> None:
        top = self._stack[-1]
        if isinstance(top, Table) and not top.colon and top.key is not CUT:
            top.colon = True
            self._last = "colon"
        else:
            self._repair("a colon too many")

    def _word(self, word: str) -> None:
        if word in _WORDS:
            if word[0].isupper():
                self._note("a Python literal")
            self._add(_WORDS[word])
        elif self._position == len(self.text):
            self._add(CUT)
        else:
            self._repair("a bare word")
            self._add(word)

    def _close(self, bracket: str) -> None:
        wanted = _OPENERS[bracket]
        if not self._open[wanted]:
            wanted = {"[": "(", "(": "["}.get(wanted, "{")
            if not self._open[wanted]:
                self._repair("a bracket too many")
                return
            self._repair("a wrong bracket")
        if self._last == "comma":
            self._repair("a trailing comma")
        while True:
            node = self._stack.pop()
            self._flush(node)
            node.closed = True
            self._open[node.bracket] -= 1
            if node.bracket == wanted:
                break
            self._repair("a missing bracket")
        self._last = "value"

    def _flush(self, node: Array | Table) -> None:
        """End the pair that `node` is in the middle of."""
        if isinstance(node, Table) and node.key is not CUT:
            node.append((str(node.key), None) if node.colon else ("", node.key))
            node.key, node.colon = CUT, False

    def _string(self, quote: str) -> str | Cut:
        if quote == "'":
            self._note("a Python literal")
        top = self._stack[-1]
        as_key = isinstance(top, Table) and not top.colon
        begin = end = self._position
        self.work += 1
        while self.work <= MAX_WORK and (match := _STRINGS[quote].match(self.text, end)):
            end = match.end()
            if self.text[end : end + 1] != quote:
                break
            if ends_string(self.text, end + 1, self._open, as_key):
                self._position = end + 1
                return unescape(self.text[begin:end])
            self._repair("a quote inside a string")
            self.work += 1
            end += 1
        self._position = len(self.text)
        return CUT

    def _repair(self, what: str) -> None:
        if what not in self._value.repairs:
            self._value.repairs.append(what)

    def _note(self, what: str) -> None:
        if what not in self._value.notes:
            self._value.notes.append(what)


def _number(token: str) -> float:
    """`token` as int or float; infinite where it has more digits than a coordinate can."""
    if len(token) > LONGEST_NUMBER:
        return math.inf
    return float(token) if "." in token or "e" in token or "E" in token else int(token)


def _numbers(token: str, bracket: str) -> Array:
    """The list of numbers whose inside is `token`."""
    array = Array(int(part) if part.isdigit() and len(part) < 9 else _number(part.strip()) for part in token.split(","))
    array.closed, array.bracket = True, bracket
    return array
