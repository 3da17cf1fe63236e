"""How many there are, as a number or as many objects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, Literal

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._policy import is_unread
from pe.verifiers._truth import Truth

__all__ = ["CountVerifier"]

_NUMBER = re.compile(r"(?<![\w.,])\d{1,9}(?![\w]|[.,]\d)")
_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b")


class CountParameters(Parameters):
    """`by`: what is counted in the answer, its "objects" of whatever shape, or the last number in its "text"."""

    by: Literal["objects", "text"] = "objects"


class CountVerifier(Verifier):
    """The smaller of the two counts over the larger, phrase by phrase: 1 - |difference| / the larger count.

    The truth has objects, or a `count` alone, and then phrases do not matter. A number in the text is the last one in
    figures, or else the last of "zero" to "twenty". Nothing there and nothing said is 1; what cannot be read is 0.
    """

    Parameters: ClassVar[type[Parameters]] = CountParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox", "point", "rings")
    formula = "sum min(n, m) / sum max(n, m) over phrases; n answered, m there"
    source = "Kimi K2.5 (arXiv 2602.02276): by the absolute difference; the formula is ours"

    def prepare(self, truth: Truth, call: Call) -> Mapping[str, int]:
        """How many there are of each label; all under "" where labels do not matter."""
        number = truth.count
        if number is None and not truth.objects and truth.written.strip():
            number = last_number(truth.written)
            if number is None:
                raise ValueError(f"it has no objects and no number: {truth.written[:80]!r}")
        if number is not None and number < 0:
            raise ValueError(f"there cannot be {number}")
        if number is not None and truth.objects and number != len(truth.objects):
            raise ValueError(f"its count is {number}, and it has {len(truth.objects)} objects")
        if self.parameters.by == "text" or not truth.objects:
            return {"": len(truth.objects) if number is None else number}
        return Counter(label(target.phrase) for target in truth.objects)

    def judge(self, answer: Decoded, truth: Mapping[str, int], call: Call) -> Mapping[str, float]:
        """See Verifier."""
        counts = self._count(answer, truth)
        if answer.status == "unparsable" or counts is None:
            return {"accuracy": 0.0}
        names = truth.keys() | counts.keys()
        most = sum(max(truth.get(name, 0), counts.get(name, 0)) for name in names)
        least = sum(min(truth.get(name, 0), counts.get(name, 0)) for name in names)
        return {"accuracy": least / most if most else 1.0}

    def _count(self, answer: Decoded, truth: Mapping[str, int]) -> Mapping[str, int] | None:
        if self.parameters.by == "text":
            number = 0 if answer.status == "none-present" else last_number(answer.text)
            return None if number is None else {"": number}
        if is_unread(answer):
            return None
        if truth.keys() == {""}:
            return {"": len(answer.objects)}
        return Counter(label(item.phrase) for item in answer.objects)


def last_number(text: str) -> int | None:
    """The last number in `text` in figures, or else the last of "zero" to "twenty"; None without any."""
    figures = _NUMBER.findall(text)
    words = _WORD.findall(text.casefold())
    return int(figures[-1]) if figures else _WORDS.index(words[-1]) if words else None
