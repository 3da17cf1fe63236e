"""Words by which a response goes back over what it said."""

from __future__ import annotations

import re
from collections import Counter

WORDS = (
    "re-check",
    "re-evaluate",
    "re-examine",
    "re-think",
    "recheck",
    "reevaluate",
    "reexamine",
    "reevaluation",
    "rethink",
    "check again",
    "think again",
    "try again",
    "verify",
    "wait",
    "yet",
)
"""The 15 words of MAYE (arXiv 2504.02587) and V-Triune (arXiv 2505.18129)."""

_PATTERN = re.compile(rf"\b(?:{'|'.join(map(re.escape, WORDS))})\b", re.IGNORECASE)


def reflection_words(text: str) -> Counter[str]:
    """How often each of WORDS stands in `text` as a word: "waiter" is no "wait", unlike in V-Triune's own count."""
    return Counter(word.lower() for word in _PATTERN.findall(text))
