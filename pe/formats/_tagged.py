"""Answers of Qwen's special tokens: phrases between reference tags, geometry between box tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

REF, REF_END = "<|object_ref_start|>", "<|object_ref_end|>"
BOX, BOX_END = "<|box_start|>", "<|box_end|>"
QUAD, QUAD_END = "<|quad_start|>", "<|quad_end|>"

_TAG = re.compile(r"<\|(?:object_ref_start|object_ref_end|box_start|box_end|quad_start|quad_end|im_end)\|>")


@dataclass
class Span:
    """What stands between two geometry tags: its `phrase`, its `body`, the tag it began with, and whether it ended."""

    phrase: str
    body: str
    tag: str
    closed: bool


def spans(text: str) -> Iterator[Span]:
    """The geometry of `text` in order, each with the phrase before it; a new phrase ends an open one."""
    phrase, tag, begin = "", "", 0
    for match in _TAG.finditer(text):
        mark = match.group()
        if tag in (BOX, QUAD):
            yield Span(phrase, text[begin : match.start()], tag, mark in (BOX_END, QUAD_END))
            tag = ""
        elif tag == REF:
            phrase, tag = text[begin : match.start()].strip(), ""
        if mark == REF:
            tag, phrase, begin = REF, "", match.end()
        elif mark in (BOX, QUAD):
            tag, begin = mark, match.end()
        elif mark == "<|im_end|>":
            return
    if tag in (BOX, QUAD):
        yield Span(phrase, text[begin:], tag, False)
    elif tag == REF:
        yield Span("", text[begin:], REF, False)
