"""What rendered words say: common English words, short lines of them, numbers, prices, codes and dates."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from pe.engines.synthetic.looks import Split

WORDS = tuple(Path(__file__).with_name("words.txt").read_text(encoding="ascii").split())


def is_kept_out(word: str) -> bool:
    """Whether `word`, in any case, belongs to split "kept_out" alone: a tenth of all words, by their sha256."""
    return hashlib.sha256(word.lower().encode()).digest()[0] < 26


_SPOKEN: dict[bool, tuple[str, ...]] = {
    kept: tuple(word for word in WORDS if is_kept_out(word) == kept) for kept in (False, True)
}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"  # no I, O or Q, which look like digits


def saying(rng: np.random.Generator, split: Split) -> str:
    """One word or short line of printable ASCII without double spaces; in split "kept_out" of kept-out words alone."""
    kind = rng.random()
    if split == "kept_out" or kind < 0.55:
        words = _SPOKEN[split == "kept_out"]
        count = 1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)
        line = " ".join(words[int(rng.integers(len(words)))] for _ in range(count))
        return (line, line.capitalize(), line.title(), line.upper())[int(rng.integers(4))]
    if kind < 0.66:
        return str(int(rng.integers(10 ** int(rng.integers(1, 6)))))
    if kind < 0.77:
        return f"{'$' if rng.random() < 0.6 else ''}{int(rng.integers(100))}.{int(rng.integers(100)):02d}"
    if kind < 0.88:
        letters = "".join(_LETTERS[int(rng.integers(len(_LETTERS)))] for _ in range(int(rng.integers(1, 4))))
        return f"{letters}{('', '-', ' ')[int(rng.integers(3))]}{int(rng.integers(10, 10_000))}"
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(12)), int(rng.integers(1990, 2030))
    forms = (
        f"{year}-{month + 1:02d}-{day:02d}",
        f"{day:02d}/{month + 1:02d}/{year % 100:02d}",
        f"{day} {_MONTHS[month]} {year}",
    )
    return forms[int(rng.integers(3))]
