"""VLM-R1's repetition reward as it is released."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.formats._json import CUT, Table, read_values
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._repeats import repeated, words_of

__all__ = ["VlmR1RepetitionCompatVerifier"]

_WORDS = 6
_START = re.compile(r"\[\s*+\{")
_END = re.compile(r"\}\s*+\]")


class VlmR1RepetitionCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})


class VlmR1RepetitionCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, repetition_reward: the first list of boxes, or else runs of six words.

    What the original hands to json_repair goes through this project's tolerant reader. Words beyond 10,000 are not
    read; items that stop the original are passed over.
    """

    Parameters: ClassVar[type[Parameters]] = VlmR1RepetitionCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("repetition",)
    formula = "-(1 - unique / total) over boxes with labels, or over runs of six words"
    source = "om-ai-lab/VLM-R1@90052f4"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        data = _data(_json_text(call.response))
        if not data:
            return {"repetition": -repeated(words_of(call.response), _WORDS)}
        items = [
            f"{item['bbox_2d']}_{item['label']}"
            for item in data
            if isinstance(item, dict) and "bbox_2d" in item and "label" in item
        ]
        return {"repetition": -repeated(items)}


def _json_text(text: str) -> str:
    """The first fence of JSON, the first other fence, or the first list of objects with both keys."""
    if fenced := _between(text, "```json"):
        return fenced[0].strip()
    if (fenced := _between(text, "```")) and fenced[0].strip():
        return fenced[0].strip()
    start = _START.search(text)
    position = start.start() if start else -1
    for key in ('"bbox_2d"', '"label"'):
        position = text.find(key, position) if position >= 0 else -1
    end = _END.search(text, position) if position >= 0 else None
    return text[start.start() : end.end()] if start and end else ""


def _between(text: str, opening: str) -> tuple[str] | None:
    start = text.find(opening)
    end = text.find("```", start + len(opening)) if start >= 0 else -1
    return (text[start + len(opening) : end],) if end >= 0 else None


def _data(text: str) -> list[Any]:
    """The list that `text` is, mended where it has to be; [] for anything else."""
    if not text:
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        values = read_values(text)
        value = _plain(values[0].node) if values else []
    return value if isinstance(value, list) else []


def _plain(value: Any) -> Any:
    if isinstance(value, Table):
        return {key: _plain(inner) for key, inner in value if inner is not CUT}
    if isinstance(value, list):
        return [_plain(inner) for inner in value if inner is not CUT]
    return value
