"""The lines of the file of answers."""

from __future__ import annotations

from typing import Any

from pe.evaluation.generation.rows import Item

Line = dict[str, Any]


def answered(item: Item, response: str, *, tokens: int | None, truncated: bool) -> Line:
    """The line of an answer; `tokens` counts its end token and is left out where nobody knows it."""
    counted = {} if tokens is None else {"tokens": tokens}
    return {"key": item.row.key, "sample": item.number, "response": response, **counted, "truncated": truncated}


def failed(item: Item, error: str) -> Line:
    """The line of an answer that cannot be made, and why."""
    return {**answered(item, "", tokens=0, truncated=False), "error": error}
