"""Answers as JSON, and formats as rows of a table."""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pe.errors import InputError
from pe.formats._answer import Answer, Decoded, Item
from pe.formats._base import Format
from pe.registry import load

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Point = tuple[_Number, _Number]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Item(_Strict):
    phrase: str = ""
    bbox: tuple[_Number, _Number, _Number, _Number] | None = None
    point: _Point | None = None
    rings: tuple[tuple[_Number, ...], ...] | None = None
    keypoints: dict[str, _Point | None] | None = None
    score: _Number | None = None


class _Answer(_Strict):
    objects: list[_Item] = []
    absent: list[str] = []
    text: str = ""
    thought: str = ""
    status: str = ""
    notes: list[str] = []


_ADAPTER: TypeAdapter[_Answer] = TypeAdapter(_Answer)


def from_json(text: str) -> Answer:
    """The answer of a JSON object (objects, absent, text, thought, as `to_json` gives it) or of a list of objects.

    An object has `phrase`, one of `bbox`, `point` and `rings`, and `keypoints` and `score` where it has them. Raises
    InputError for anything else.
    """
    try:
        data = json.loads(text)
        read = _ADAPTER.validate_python({"objects": data} if isinstance(data, list) else data)
        items = tuple(Item(**item.__dict__) for item in read.objects)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        raise InputError(f"{place}: {first['msg'].lower()}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not an answer as JSON: {error}") from None
    return Answer(items, tuple(read.absent), read.text, read.thought)


def to_json(answer: Answer) -> str:
    """`answer` as one JSON object; what is empty is left out of its objects."""
    keep = ("phrase", "bbox", "point", "rings", "keypoints", "score")
    objects = [
        {key: value for key in keep if (value := getattr(item, key)) is not None and value != ""}
        for item in answer.objects
    ]
    row: dict[str, Any] = {"objects": objects, "absent": answer.absent, "text": answer.text, "thought": answer.thought}
    if isinstance(answer, Decoded):
        row = {"status": answer.status, "notes": answer.notes, **row}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def describe(name: str) -> dict[str, str]:
    """What the docs and `pe formats` say of a format. Raises InputError for an unknown name."""
    form: type[Format] = load("formats", name)
    vocabulary = form.vocabulary
    tokens = ""
    if vocabulary:
        listed = vocabulary.tokens()
        tokens = f"{listed[0]} .. {listed[-1]} ({vocabulary.count}, {vocabulary.origin})"
    return {
        "name": name,
        "writes": ", ".join(sorted(form.writes)) or "read only",
        "grammar": form.grammar,
        "coordinates": form.coordinates,
        "rounding": form.rounding,
        "tokens": tokens,
        "source": " ".join((inspect.getdoc(form) or "").split("\n\n")[0].split()),
    }
