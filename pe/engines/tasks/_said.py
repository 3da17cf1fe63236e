"""What a record says of its objects: phrases, captions, and expressions with the objects they mean."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pe.engines.tasks._asking import clean
from pe.schemas.sample import Object, Sample

Source = Literal["auto", "expressions", "captions", "phrases"]


@dataclass(frozen=True)
class Saying:
    """`text` of some `kind` ("" where the record does not say), and the `objects` it means: none, one or several."""

    text: str
    kind: str
    objects: tuple[Object, ...]


def by_phrase(objects: Iterable[Object]) -> dict[str, list[Object]]:
    """The objects of each phrase, in the order and the spelling in which phrases first come; "Dog" is a dog."""
    return _groups((clean(item.phrase), item) for item in objects)


def sayings(sample: Sample, objects: list[Object], source: Source) -> list[Saying]:
    """What `sample` says in one way: the expressions of its provenance, its objects' captions, or their phrases.

    "auto" is the first of the three that it has. Expressions are {"text", "kind", "objects": ids}; one that means an
    object that is not in the record is left out. Objects of one caption or phrase are meant together, but "one of the
    two dogs" means no object alone and is left out.
    """
    if source in ("auto", "expressions"):
        found = _expressions(sample, objects)
        if found or source == "expressions":
            return found
    if source in ("auto", "captions"):
        found = _together((clean(item.caption or ""), item) for item in objects)
        found = [saying for saying in found if not saying.text.lower().startswith("one of ")]
        if found or source == "captions":
            return found
    return _together((clean(item.phrase), item) for item in objects)


def _groups(pairs: Iterable[tuple[str, Object]]) -> dict[str, list[Object]]:
    spelling: dict[str, str] = {}
    groups: dict[str, list[Object]] = {}
    for text, item in pairs:
        if text:
            groups.setdefault(spelling.setdefault(text.casefold(), text), []).append(item)
    return groups


def _together(pairs: Iterable[tuple[str, Object]]) -> list[Saying]:
    return [Saying(text, "", tuple(group)) for text, group in _groups(pairs).items()]


def _expressions(sample: Sample, objects: list[Object]) -> list[Saying]:
    by_id = {item.id: item for item in objects}
    rows: Any = json.loads(sample.provenance_json or "{}")
    rows = rows.get("expressions") if isinstance(rows, dict) else None
    found: dict[str, Saying] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            continue
        ids, text = row.get("objects"), clean(row["text"])
        if text and isinstance(ids, list) and all(isinstance(number, int) and number in by_id for number in ids):
            found.setdefault(text, Saying(text, str(row.get("kind", "")), tuple(by_id[number] for number in ids)))
    return list(found.values())
