"""Answers that are words and runs of location tokens: what stands between one run and the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Run:
    """The `numbers` of tokens in a row, and the words `before` them."""

    before: str
    numbers: list[int]


def runs(text: str, token: re.Pattern[str]) -> Iterator[Run]:
    """The runs of `token` (whose first group is the number) in `text`, separated by anything but white space."""
    numbers: list[int] = []
    before, last = "", 0
    for match in token.finditer(text):
        between = text[last : match.start()]
        if numbers and between.strip():
            yield Run(before, numbers)
            numbers = []
        if not numbers:
            before = between
        numbers.append(int(match[1]))
        last = match.end()
    if numbers:
        yield Run(before, numbers)
