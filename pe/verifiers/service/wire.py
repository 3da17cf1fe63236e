"""What goes over the wire: rollouts of prompts in, one result a response out, both JSON."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pe.errors import InputError
from pe.verifiers import Question, Score

MAX_RESPONSES = 16_384
MAX_SIDE = 65_535
MAX_PIXELS = 100_000_000
KEYS = (
    "verifier",
    "params",
    "ground_truth",
    "weights",
    "image_size",
    "input_size",
    "responses",
    "response",
    "progress",
    "tokens",
)

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


class RefusedError(Exception):
    """The request as a whole cannot be read: an HTTP `status` and one line of `detail`."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(status, detail)


@dataclass(frozen=True)
class Rollouts:
    """Responses to one question; `progress` and `tokens` (one number a response) as in `pe.verifiers.score`."""

    question: Question
    responses: tuple[str, ...]
    progress: float = 1.0
    tokens: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Malformed:
    """An item that cannot be read, why, and for how many responses."""

    error: str
    responses: int


def write_items(rollouts: list[Rollouts]) -> bytes:
    """The body of a POST /score."""
    return json.dumps({"items": [_item(each) for each in rollouts]}, separators=(",", ":")).encode()


def read_items(body: bytes) -> list[Rollouts | Malformed]:
    """The items of a POST /score, each read for itself. Raises RefusedError where there are none to be found."""
    items = read_table(body).get("items")
    if not isinstance(items, list):
        raise RefusedError(400, 'the body holds no list "items"')
    if sum(max(1, _count(item)) for item in items) > MAX_RESPONSES:
        raise RefusedError(413, f"a request has at most {MAX_RESPONSES:,} responses; send several")
    return [_read(item) for item in items]


def read_table(body: bytes) -> dict[str, Any]:
    """The JSON object that is `body`. Raises RefusedError for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body is not a JSON object")
    return value


def write_score(score: Score) -> bytes:
    """One result, as JSON on one line."""
    metrics = {name: value if math.isfinite(value) else None for name, value in score.metrics.items()}
    result = {
        "score": score.score,
        "components": dict(score.components),
        "state": score.state,
        "reason": "" if score.score is not None else score.reason or "no reason given",
        "metrics": metrics,
    }
    return json.dumps(result, allow_nan=False).encode()


def read_score(value: Any) -> Score:
    """A result as `write_score` wrote it. Raises ValueError for anything else: a wrong score is worse than none."""
    match value:
        case {
            "score": None | int() | float() as score,
            "components": dict(components),
            "state": str(state),
            "reason": str(reason),
            "metrics": dict(metrics),
        } if not isinstance(score, bool) and (score is None) == bool(reason):
            if not all(part is None or _number(part) for part in (score, *components.values(), *metrics.values())):
                raise ValueError("a result holds what is no number")
            return Score(
                None if score is None else float(score),
                components,
                state,
                reason,
                {name: metric for name, metric in metrics.items() if metric is not None},
            )
    raise ValueError("a result is not of the known form")


def missing(reason: str) -> Score:
    """The score of a response that nobody scored; its state is "unread"."""
    return Score(None, {}, "unread", reason)


def one_line(text: object, most: int = 300) -> str:
    """Words for a reply or a log: printable, one line, bounded, whatever is in them."""
    words = " ".join(str(text)[: 4 * most].split())
    return "".join(char if char.isprintable() else "?" for char in words)[:most]


def check_name(name: Any) -> str:
    """A verifier's name, of the only form one can have. Raises InputError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError("verifier: expected the name of one (`pe verifiers list`)")
    return name


def check_size(value: Any, what: str) -> tuple[int, int]:
    """(width, height) in pixels. Raises InputError."""
    match value:
        case [int(width), int(height)] if not isinstance(width, bool) and not isinstance(height, bool):
            if 1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS:
                return width, height
    raise InputError(f"{what}: expected [width, height] in pixels, at least 1, at most {MAX_PIXELS:,} together")


def _item(rollouts: Rollouts) -> dict[str, Any]:
    question = rollouts.question
    item: dict[str, Any] = {
        "verifier": question.verifier,
        "params": question.params_json,
        "ground_truth": question.ground_truth,
        "weights": question.weights_json,
        "image_size": question.image,
        "responses": rollouts.responses,
        "progress": rollouts.progress,
    }
    if question.input_size is not None:
        item["input_size"] = question.input_size
    if rollouts.tokens is not None:
        item["tokens"] = rollouts.tokens
    return item


def _count(item: Any) -> int:
    if not isinstance(item, dict):
        return 0
    responses = item.get("responses")
    return len(responses) if isinstance(responses, list) else int("response" in item)


def _read(item: Any) -> Rollouts | Malformed:
    try:
        return _rollouts(item)
    except InputError as error:
        return Malformed(one_line(error), _count(item))
    except Exception as error:  # nested too deep, an absurd number: this item's trouble alone
        return Malformed(f"cannot be read: {type(error).__name__}", _count(item))


def _rollouts(item: Any) -> Rollouts:
    if not isinstance(item, dict):
        raise InputError("an item is a JSON object")
    unknown = sorted(item.keys() - set(KEYS))
    if unknown:
        raise InputError(f"unknown keys: {', '.join(unknown)[:100]} (known: {', '.join(KEYS)})")
    if "ground_truth" not in item:
        raise InputError("ground_truth: is missing")
    seen = item.get("input_size")
    question = Question(
        check_name(item.get("verifier")),
        _json(item["ground_truth"], "ground_truth", (dict, list)),
        check_size(item.get("image_size"), "image_size"),
        _json(item.get("params", {}), "params", (dict,)),
        _json(item.get("weights", {}), "weights", (dict,)),
        None if seen is None else check_size(seen, "input_size"),
    )
    responses, tokens = _responses(item)
    progress = item.get("progress", 1.0)
    if not _number(progress) or not 0 <= progress <= 1:
        raise InputError("progress: expected a number from 0 to 1")
    return Rollouts(question, responses, float(progress), tokens)


def _responses(item: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    if ("responses" in item) == ("response" in item):
        raise InputError("responses: expected either `responses` (a list) or `response`")
    responses, tokens = item.get("responses"), item.get("tokens")
    if "response" in item:
        responses = [item["response"]]
        tokens = None if tokens is None else [tokens]
    if not isinstance(responses, list) or not all(isinstance(text, str) for text in responses):
        raise InputError("responses: expected text")
    if tokens is None:
        return tuple(responses), None
    if (
        not isinstance(tokens, list)
        or len(tokens) != len(responses)
        or not all(type(count) is int and count >= 0 for count in tokens)
    ):
        raise InputError("tokens: expected a whole number a response")
    return tuple(responses), tuple(tokens)


def _json(value: Any, what: str, kinds: tuple[type, ...]) -> str:
    # Records hold these as JSON text; a value is what a person writes by hand.
    if isinstance(value, str):
        return value
    if not isinstance(value, kinds):
        raise InputError(f"{what}: expected {'an object' if kinds == (dict,) else 'JSON'} or the text of it")
    return json.dumps(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
