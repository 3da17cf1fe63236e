"""How much of a sequence is said again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

MOST_WORDS = 10_000  # words of a response that are looked at


def words_of(text: str) -> list[str]:
    """The first 10,000 lower-case words of `text`."""
    return text.lower().split(None, MOST_WORDS)[:MOST_WORDS]


def repeated(items: Sequence[Hashable], size: int = 1) -> float:
    """1 - unique / total over the runs of `size` neighbours, 0 where there is none."""
    total = len(items) - size + 1
    if total <= 0:
        return 0.0
    return 1.0 - len(set(zip(*[items[start:] for start in range(size)], strict=False))) / total
