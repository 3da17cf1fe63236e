"""What a caption claims, held against what is there: "Two red rings and a key." claims two things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pe.annotators.captioners._english import clean, counted

_MOST = 100


def claims(caption: str, phrases: Iterable[str]) -> tuple[dict[str, int], int]:
    """{phrase: number} that the caption claims of `phrases`, and how many of its parts name none of them.

    Reads the sentences that the template captioner writes: counted phrases with commas and a last "and".
    """
    known = {counted(clean(phrase), number).lower(): (phrase, number) for phrase in phrases for number in _numbers()}
    found: dict[str, int] = {}
    unread = 0
    for part in re.split(r",\s*(?:and\s+)?|\s+and\s+", caption.strip().rstrip(".").lower()):
        if not part:
            continue
        if part in known:
            phrase, number = known[part]
            found[phrase] = number
        else:
            unread += 1
    return found, unread


def right(claimed: Mapping[str, int], truth: Mapping[str, int]) -> int:
    """How many of the claims are true."""
    return sum(truth.get(phrase, 0) == number for phrase, number in claimed.items())


def _numbers() -> range:
    return range(1, _MOST + 1)
