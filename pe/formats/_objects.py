"""From the lists and tables of a JSON-like answer to shapes with phrases."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pe.formats._json import CUT, Cut, Table, is_closed
from pe.formats._reading import Kind

_BOX_KEY = (
    r"(?:bbox|box)(?:es|_2d|_list|_coordinates)?|bounding_?box(?:es)?|position|coord(?:inate)?s|location|region|"
    r"rect(?:angle)?"
)
_POINT_KEY = r"points?(?:_2d|_?\d{1,2})?|coordinate|click_point|cent(?:er|re)|target"
_RING_KEY = r"poly(?:gons?)?(?:_2d)?|segmentation|quad(?:rilateral)?|contour"
_HOLDER = (
    r"(?:object|result|detection|output|item|prediction|annotation|element|instance|argument|parameter)s?|"
    r"answer|data|action|input|args|params|"
)
_KEY = re.compile(
    f"(?P<bbox>{_BOX_KEY})|(?P<point>{_POINT_KEY})|(?P<rings>{_RING_KEY})|(?P<holder>{_HOLDER})"
).fullmatch
_EITHER_KEY = re.compile(r"position|coord(?:inate)?s|location").fullmatch
_LABEL_KEYS = (
    *("label", "phrase", "name_en", "object_name", "category_name", "category", "class_name", "class", "name"),
    *("object", "text_content", "text", "transcription", "ref", "title", "content", "description", "sub_label", "type"),
    "action",
)
_SHAPES = ("bbox", "point", "rings")
_SCORE_KEYS = ("score", "confidence", "conf", "probability")
_CORNERS = (
    *(("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax")),
    *(("x_min", "y_min", "x_max", "y_max"), ("left", "top", "right", "bottom")),
)
_NUMBERS = re.compile(r"[-+]?\d{1,16}(?:\.\d{0,16})?")


@dataclass
class Found:
    """One shape as it stands in the text: `numbers` in the text's units; None where they were cut short or no numbers.

    `keyed`: it came under a name such as "bbox_2d". `cut`: its table is cut short.
    """

    kind: Kind
    numbers: list[float] | None
    phrase: str = ""
    score: float | None = None
    keyed: bool = True
    cut: bool = False


def shapes(node: Any, hint: str = "") -> Iterator[Found]:
    """All shapes under `node` in order. `hint` is the name it stands under, the phrase of what carries none."""
    if isinstance(node, Table):
        usual = _usual(node)
        if usual is not None:
            yield usual
            return
        for fields, cut in _groups(node):
            yield from _table(fields, cut, hint)
    elif isinstance(node, list):
        numbers = _flat(node)
        whole = is_closed(node) or (numbers is not None and math.inf in numbers)
        if numbers is None:
            for value in node:
                yield from shapes(value, hint)
        elif len(numbers) in (2, 4):
            kind: Kind = "bbox" if len(numbers) == 4 or not whole else "point"
            yield Found(kind, numbers if whole else None, hint, keyed=bool(hint))
        elif numbers and not is_closed(node):
            yield Found("bbox", numbers if whole else None, hint, keyed=bool(hint))


def _usual(table: Table) -> Found | None:
    """The shape of {"bbox_2d": [four numbers], "label": "..."}, which nearly every row is, by the shortest way."""
    if len(table) != 2 or not table.closed or table[0][0] != "bbox_2d" or table[1][0] != "label":
        return None
    box, phrase = table[0][1], table[1][1]
    if type(phrase) is not str or not phrase or type(box) is not list or len(box) != 4:
        return None
    for number in box:
        if (type(number) is not int and type(number) is not float) or not -1e9 < number < 1e9:
            return None
    return Found("bbox", box, phrase)


def has_repeats(node: Any) -> bool:
    """Whether a table under `node` names a shape or a label twice."""
    if not isinstance(node, list) or not node or isinstance(node[0], int | float):
        return False
    if isinstance(node, Table):
        if _usual(node) is not None:
            return False
        return len(list(_groups(node))) > 1 or any(has_repeats(value) for _, value in node)
    return any(map(has_repeats, node))


def _groups(table: Table) -> Iterator[tuple[dict[str, Any], bool]]:
    """The pairs of `table` as one dictionary, or several where a key is repeated: one an object."""
    fields: dict[str, Any] = {key.strip(): value for key, value in table}
    if len(fields) == len(table) and "" not in fields:
        yield fields, not is_closed(table)
        return
    fields = {}
    for key, value in table:
        key = key.strip()
        if key and key in fields and (_meaning(key) in _SHAPES or key in _LABEL_KEYS):
            yield fields, False
            fields = {}
        if key:
            fields[key] = value
        elif isinstance(value, list):
            fields.setdefault("", []).append(value)
    yield fields, not is_closed(table)


def _table(fields: dict[str, Any], cut: bool, hint: str) -> Iterator[Found]:
    lower = {key.lower(): value for key, value in fields.items()}
    phrase, phrase_cut = _phrase(lower)
    score = _score(lower)
    named = phrase or ("" if _meaning(hint) else hint)
    for found in _own_shapes(lower):
        if phrase_cut:
            found.numbers = None
        found.phrase, found.score, found.cut = named, score, cut
        yield found
    for key, value in fields.items():
        if not isinstance(value, list) or key in _LABEL_KEYS:
            continue
        meaning = _meaning(key)
        if meaning not in _SHAPES:
            yield from shapes(value, named if meaning else key)
        elif any(isinstance(inner, Table) for inner in value):
            yield from shapes(value, named)


def _own_shapes(lower: dict[str, Any]) -> Iterator[Found]:
    """The shapes of a table whose keys are in lower case."""
    for key, value in lower.items():
        if isinstance(value, list | str | Cut):
            meaning = _meaning(key)
            if meaning == "rings":
                yield from _rings(value)
            elif meaning == "bbox" or meaning == "point":
                yield from _sized(value, meaning, key)
    for names in _CORNERS:
        if names[0] in lower and all(name in lower for name in names):
            yield Found("bbox", _plain([lower[name] for name in names]))
            return
    if "x" in lower and "y" in lower:
        yield Found("point", _plain([lower["x"], lower["y"]]))


@lru_cache(maxsize=1024)
def _meaning(key: str) -> Literal["bbox", "point", "rings", "holder", ""]:
    """Which shape a key names, "holder" for a mere container of objects, "" for any other (a label, perhaps)."""
    match = _KEY(key.lower()) if len(key) < 32 else None
    return match.lastgroup if match else ""  # type: ignore[return-value]


def _sized(value: Any, kind: Kind, key: str) -> Iterator[Found]:
    """The boxes or points of a value: one list of numbers, several, or a string of them. A box is never a point."""
    if isinstance(value, Cut):
        yield Found(kind, None)
    elif isinstance(value, Table):
        yield from (Found(found.kind, found.numbers) for found in _own_shapes(dict(value)))
    elif isinstance(value, str) and len(value) <= 128:
        numbers = [float(part) for part in _NUMBERS.findall(value)]
        if numbers:
            yield from _one(numbers, kind, key)
    elif isinstance(value, list):
        numbers_or_none = _flat(value)
        if numbers_or_none is not None:
            if is_closed(value):
                yield from _one(numbers_or_none, kind, key)
            else:
                yield Found(kind, None)
            return
        for inner in value:
            if isinstance(inner, list) and not isinstance(inner, Table):
                yield from _sized(inner, kind, key)


def _one(numbers: list[float], kind: Kind, key: str) -> Iterator[Found]:
    """The shapes of one flat list: as its name says, or several in a row; four numbers are always a box."""
    if len(numbers) == 4 or (len(numbers) == 2 and _EITHER_KEY(key)):
        kind = "bbox" if len(numbers) == 4 else "point"
    size = 4 if kind == "bbox" else 2
    if len(numbers) % size:
        yield Found(kind, numbers)
    else:
        for start in range(0, len(numbers), size):
            yield Found(kind, numbers[start : start + size])


def _rings(value: Any) -> Iterator[Found]:
    """The ring of a value: a flat list, a list of pairs, or a list of such."""
    if not isinstance(value, list) or isinstance(value, Table):
        return
    numbers = _flat(value)
    if numbers is None and value and all(_is_pair(inner) for inner in value):
        numbers = [float(number) for pair in value for number in pair]
    if numbers is not None:
        if numbers:
            yield Found("rings", numbers if is_closed(value) else None)
        return
    pairs = [inner for inner in value if isinstance(inner, list) and _flat(inner) is not None]
    if len(pairs) == len(value) and not all(map(is_closed, pairs)):
        yield Found("rings", None)
        return
    for inner in value:
        yield from _rings(inner)


def _score(lower: dict[str, Any]) -> float | None:
    score = next((lower[name] for name in _SCORE_KEYS if name in lower), None)
    if isinstance(score, int | float) and not isinstance(score, bool) and abs(score) <= 1e6:
        return float(score)
    return None


def _phrase(lower: dict[str, Any]) -> tuple[str, bool]:
    """The label among the fields, and whether it is cut short."""
    for key in _LABEL_KEYS:
        if key not in lower:
            continue
        value = lower[key]
        if isinstance(value, Cut):
            return "", True
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value), False
    for key, value in lower.items():
        if key.startswith(("label", "name")) and isinstance(value, str):
            return value, False
    return "", False


def _flat(values: list[Any]) -> list[float] | None:
    """The numbers of a list that holds nothing else (or was cut in its last one); None for any other list."""
    if isinstance(values, Table):
        return None
    numbers: list[float] = []
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append(_bounded(value))
        elif not isinstance(value, Cut):
            return None
    return numbers


def _plain(values: list[Any]) -> list[float] | None:
    if any(value is CUT or isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    return [_bounded(value) for value in values]


def _bounded(value: float) -> float:
    return value if -1e9 < value < 1e9 else math.inf


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and is_closed(value) and len(value) == 2 and _flat(value) is not None
