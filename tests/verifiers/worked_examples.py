"""The worked examples of the docs: fenced blocks ```verify NAME of an input and an output, run as they stand."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe.verifiers import Question, score

_BLOCK = re.compile(r"^```verify (\S+)\n(.+)\n(.+)\n```$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One example: what the verifier `name` is given, and what the docs say that it returns."""

    name: str
    given: dict[str, Any]
    expected: dict[str, Any]


def examples(page: Path) -> list[Example]:
    """The examples of a page of the docs, in order."""
    return [
        Example(name, json.loads(first), json.loads(last)) for name, first, last in _BLOCK.findall(page.read_text())
    ]


def run(example: Example) -> dict[str, Any]:
    """What `pe.verifiers.score` returns for the example, rounded to 6 decimals, as the docs write it."""
    given = dict(example.given)
    truth = given.pop("ground_truth")
    size = given.pop("input_size", None)
    tokens = given.pop("tokens", None)
    question = Question(
        example.name,
        truth if isinstance(truth, str) else json.dumps(truth),
        tuple(given.pop("image_size")),
        json.dumps(given.pop("params", {})),
        json.dumps(given.pop("weights", {})),
        tuple(size) if size else None,
    )
    (found,) = score(
        question, [given.pop("response")], given.pop("progress", 1.0), None if tokens is None else [tokens]
    )
    assert not given, f"the example has more than an example says: {given}"
    return {
        "score": None if found.score is None else round(found.score, 6),
        "components": {k: None if v is None else round(v, 6) for k, v in found.components.items()},
        "state": found.state,
    }
