"""Multiple choice: the letter an answer settles on."""

from __future__ import annotations

import re

from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import unwrap

__all__ = ["Choice"]

_OPTION = re.compile(r"(?:^|[\s(])\(?([A-H])[.):]\s{1,4}([^\n]*?)(?=[.;,]?\s{1,4}\(?[A-H][.):]\s|\n|$)")
_SAID = re.compile(
    r"(?i:\b(?:answer|option|choice|choose|pick|select)(?:\s(?:is|would be|should be))?)"
    r"\s{0,4}[:：]?[\s*_({\"'\\]{0,12}(?:boxed\{|text\{)?([A-H])(?![A-Za-z])"
)
_LEAD = re.compile(r"[\s*_(\[\"']{0,8}([A-H])(?:[*_)\]\"'.:,]|\s{0,8}$)")
_BOXED = re.compile(r"\\boxed\{\s?(?:\\text\{)?\s?\(?([A-H])\b")
_MARKED = re.compile(r"\*\*\s?\(?([A-H])[.):]?(?:\s[^*\n]{0,120})?\*\*")
_LONGEST = 4000


class Choice(Format):
    """A letter A to H: boxed, after "answer", in bold, first in the text, or the option whose words come last.

    The options are taken from `asked`, the question; without them only letters are read. Read only.
    """

    grammar = r"LETTER | ... answer: LETTER | ... \boxed{LETTER} | ... the words of an option"
    coordinates = "none"
    rounding = "read only"

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        body = unwrap(text, reading).strip()[-_LONGEST:]
        letter = _stated(body) or _by_words(body, asked)
        reading.text, reading.answered = letter, bool(letter)


def _stated(body: str) -> str:
    for pattern in (_BOXED, _SAID):
        found = pattern.findall(body)
        if found:
            return str(found[-1]).upper()
    if match := _LEAD.match(body) if len(body) < 400 else None:
        return match[1]
    marked = _MARKED.findall(body)
    return marked[-1] if marked else ""


def _by_words(body: str, asked: str) -> str:
    """The option whose words end last in `body`; the longer one where one holds the other."""
    said = _folded(body)
    options = [(letter, _folded(words)) for letter, words in _OPTION.findall(asked[:_LONGEST])]
    ends = [
        (said.rfind(words) + len(words), len(words), letter) for letter, words in options if words and words in said
    ]
    return max(ends)[2] if ends else ""


def _folded(text: str) -> str:
    return " ".join(re.findall(r"[\w%.-]+", text.lower())).rstrip(".")
