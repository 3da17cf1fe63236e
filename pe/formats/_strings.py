"""Quoted strings as models write them: where one ends, and what its escapes mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SPACE = re.compile(r"\s*+")
_KEY = re.compile(r"""["']?[\w .-]{1,64}+["']?\s{0,64}+:""")
_LITERAL = re.compile(r"(?:None|null|true|false|True|False)\b")
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.S
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}


def ends_string(text: str, position: int, opened: Mapping[str, int], as_key: bool) -> bool:
    """Whether the quote before `position` ends a string, by what follows it.

    `opened` counts the brackets "[", "(" and "{" that are open; `as_key`: the string stands where a key is due.
    """
    position = _skip(text, position)
    char = text[position : position + 1]
    if char == ":":
        return as_key
    if char == ",":
        after = _skip(text, position + 1)
        following = text[after : after + 1]
        return (
            following in "\"'[{(-.]})"
            or following.isdigit()
            or _LITERAL.match(text, after) is not None
            or _KEY.match(text, after) is not None
        )
    if char and char in "])}":
        return opened[{"]": "[", "}": "{", ")": "("}[char]] > 0
    return not char or (char in "\"'" and _KEY.match(text, position) is not None)


def unescape(text: str) -> str:
    """`text` with JSON's and Python's escapes resolved; a backslash before anything else stays."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    high, low, four, two, letter = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if four or two:
        code = int(four or two, 16)
        return "�" if 0xD800 <= code < 0xE000 else chr(code)
    return _LETTERS.get(letter, "\\" + letter)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
