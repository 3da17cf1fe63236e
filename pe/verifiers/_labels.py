"""Labels: when two phrases name the same thing, for every verifier that compares them."""

from __future__ import annotations


def label(phrase: str) -> str:
    """`phrase` as it is compared: without case, white space at its ends, and runs of white space inside."""
    return " ".join(phrase.casefold().split())
