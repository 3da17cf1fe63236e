"""What a model answered in training, as cards: the answer's objects over those of the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pe.errors import PeError
from pe.formats import Item
from pe.reports.curves import read_lines
from pe.reports.sheet import svg_path
from pe.schemas.sample import Sample
from pe.verifiers import Question, Target, read_answers


def rollout_cards(folder: Path, limit: int) -> tuple[list[dict[str, Any]], int]:
    """At most `limit` (all for 0) cards of a stage's rollouts.jsonl at even distances, and how many there are.

    The answer and the truth are read by the record KEY.json beside the picture pictures/KEY.jpg; without it a card has
    words alone. Coordinates are pixels of the stored picture.
    """
    path = folder / "rollouts.jsonl"
    total = sum(1 for line in read_lines(path) if _is_rollout(line))
    wanted = {rank * total // limit for rank in range(limit)} if 0 < limit < total else range(total)
    lines = (line for line in read_lines(path) if _is_rollout(line))
    return [_card(folder / "pictures", line) for rank, line in enumerate(lines) if rank in wanted], total


def shapes(items: Sequence[Item | Target], width: int) -> list[dict[str, Any]]:
    """What is drawn of objects in a picture of `width` pixels: path, bbox, points, and the anchor of the label."""
    return [_shape(item, width) for item in items]


def _is_rollout(line: Mapping[str, Any]) -> bool:
    """Whether all is there that a card is made of; a run folder comes from anywhere."""
    return (
        isinstance(line.get("key"), str)
        and type(line.get("step")) is int
        and isinstance(line.get("response"), str)
        and isinstance(line.get("components", {}), dict)
    )


def _card(pictures: Path, line: Mapping[str, Any]) -> dict[str, Any]:
    card: dict[str, Any] = {
        name: _word(line.get(name)) for name in ("key", "data_source", "prompt", "response", "state")
    }
    card |= {name: _number(line.get(name)) for name in ("score", "tokens", "advantage")}
    card |= {
        "step": line["step"],
        "components": {str(name): _number(value) for name, value in line.get("components", {}).items()},
        **{"picture": line["key"], "width": 4, "height": 3, "answers": [], "truths": [], "negatives": [], "text": ""},
    }
    try:
        record = Sample.from_json((pictures / f"{Path(line['key']).name}.json").read_bytes())
        truth, answers = read_answers(Question.of(record), [line["response"]])
    except (OSError, ValueError, ValidationError, PeError):
        return card
    return card | {
        "width": record.width,
        "height": record.height,
        "answers": shapes(answers[0].objects, record.width),
        "truths": shapes(truth.objects, record.width),
        "negatives": list(truth.negatives),
        "text": truth.text,
    }


def _shape(item: Item | Target, width: int) -> dict[str, Any]:
    found: dict[str, Any] = {"phrase": item.phrase, "radius": max(2.0, width / 100)}
    points = [item.point, *(item.keypoints or {}).values()]
    found["points"] = [list(point) for point in points if point is not None]
    if item.rings:
        found["path"] = "".join(map(svg_path, item.rings))
    if item.bbox:
        found["bbox"] = list(item.bbox)
    corners = [number for ring in item.rings or () for number in ring] or [
        x for point in found["points"] for x in point
    ]
    box = item.bbox or (min(corners[::2], default=0.0), min(corners[1::2], default=0.0), 0.0, 0.0)
    return found | {"anchor": [box[0], box[1]]}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _number(value: Any) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if numeric else None
