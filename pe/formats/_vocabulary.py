"""The coordinate tokens of a format, so that training and decoding agree on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Vocabulary:
    """`count` tokens `pattern` (a format string of the number) for the coordinates 0 .. count - 1.

    `origin` tells where they come from: "native" tokens are in the model's tokenizer already, "added" ones are appended
    to it, "taken" ones take over its last `count` ordinary ids.
    """

    pattern: str
    count: int
    origin: Literal["native", "added", "taken"]

    def tokens(self) -> list[str]:
        """All token texts in the order of their coordinates."""
        return [self.pattern.format(number) for number in range(self.count)]

    def ids(self, size: int) -> range:
        """The ids of "taken" or "added" tokens in a tokenizer of `size` ordinary tokens (Qwen2.5: 151643).

        Raises ValueError for native ones, whose ids only the tokenizer knows, and where there are too few to take.
        """
        if self.origin == "added":
            return range(size, size + self.count)
        if self.origin == "native" or size < self.count:
            raise ValueError(f"no ids for {self.origin} tokens in a vocabulary of {size}")
        return range(size - self.count, size)
