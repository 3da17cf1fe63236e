"""Annotations that come as rows (JSON lines, a JSON array, CSV), brought into COCO form.

A row is a picture with objects ({"file_name", "objects": {"bbox", "categories"}}, Hugging Face's imagefolder) or one
referred object ({"image", "sentences", "bbox", "segmentation"}). Several rows of one picture, and of one object, belong
together.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.schemas.sample import dumps
from pe.shards.imports._extras import refuse_pickle

_NAME = ("file_name", "image", "image_path", "img_path", "img", "image_name")
_SAID = ("sentences", "sents", "sent", "sentence", "expressions", "expression", "phrase", "problem", "refer")
_CAPTION = ("caption", "captions", "text")
_CATEGORY = ("category", "category_name", "label")


def are_rows(path: Path) -> bool:
    """Whether `path` holds rows, and not one COCO document: by its suffix, a .json by its first character."""
    if path.suffix.lower() in (".jsonl", ".ndjson", ".csv"):
        return True
    if path.suffix.lower() != ".json":
        return False
    with path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def rows_as_coco(path: Path, split: str = "") -> bytes:
    """COCO-form JSON of the rows in `path`; of another `split` than the one asked for nothing that is said counts.

    `bbox` is x, y, width, height as in COCO, `bbox_xyxy` two corners. An object without a category goes by the first
    thing said of it. No category is known to be absent. Raises InputError with the place of a row that is malformed.
    """
    images: dict[str, dict[str, Any]] = {}
    objects: dict[tuple[str, str], dict[str, Any]] = {}
    categories: dict[str, int] = {}
    for number, row in rows_of(path):
        try:
            _take(row, split, images, objects, categories)
        except (KeyError, TypeError, ValueError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise InputError(f"{path}:{number}: {why}") from None
    if not images:
        raise InputError(f"{path}: no rows")
    return dumps(
        {
            "images": list(images.values()),
            "annotations": list(objects.values()),
            "categories": [{"id": number, "name": name} for name, number in categories.items()],
        }
    ).encode()


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows in `path` with their numbers (lines from 1, of CSV from 2). Raises InputError."""
    try:
        with path.open("rb") as stream:
            refuse_pickle(path, stream.read(2))
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as lines:
                yield from enumerate(csv.DictReader(lines), 2)
            return
        if path.suffix.lower() == ".json":
            value = json.loads(path.read_bytes())
            items = enumerate(value, 1) if isinstance(value, list) else iter(())
        else:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield number, _mapping(json.loads(line), path, number)
            return
        for number, item in items:
            yield number, _mapping(item, path, number)
    except (ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"{path}: not rows of JSON or CSV: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _mapping(value: Any, path: Path, number: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{path}:{number}: a row is an object with the picture's name, not {value!r:.40}")
    return value


def _take(
    row: dict[str, Any],
    split: str,
    images: dict[str, dict[str, Any]],
    objects: dict[tuple[str, str], dict[str, Any]],
    categories: dict[str, int],
) -> None:
    name = _first(row, _NAME)
    if not isinstance(name, str) or not name:
        raise ValueError(f"a row names its picture by one of {', '.join(_NAME)}")
    empty = {"id": len(images) + 1, "file_name": name, "neg_category_ids": [], "captions": [], "expressions": []}
    image = images.setdefault(name, empty)
    for key in ("width", "height"):
        if row.get(key):
            image[key] = int(row[key])
    said = _texts(_first(row, _SAID))
    image["captions"] += [text for text in _texts(_first(row, _CAPTION)) if text not in image["captions"]]
    ids = []
    for box, segmentation, category in _objects(row):
        category = category or (said[0] if said else "object")
        place = (name, dumps([box, segmentation, category]) if not said else dumps([box, segmentation]))
        if place not in objects:
            objects[place] = {
                "id": len(objects) + 1,
                "image_id": image["id"],
                "category_id": categories.setdefault(category, len(categories) + 1),
                "bbox": box,
                "segmentation": segmentation or [],
                "iscrowd": 0,
            }
        ids.append(objects[place]["id"])
    if not split or str(row.get("split", split)) == split:
        image["expressions"] += [{"text": text, "ids": ids} for text in said]


def _objects(row: dict[str, Any]) -> Iterator[tuple[list[float], Any, str]]:
    """Box (x, y, width, height), segmentation and category of each object of a row."""
    table = _parsed(row.get("objects"))
    if isinstance(table, dict):
        boxes = table["bbox"]
        names = _first(table, ("categories", *_CATEGORY)) or [""] * len(boxes)
        if len(names) != len(boxes):
            raise ValueError(f"{len(boxes)} boxes and {len(names)} categories")
        for box, name in zip(boxes, names, strict=True):
            yield _numbers(box), None, str(name)
        return
    segmentation = _parsed(row.get("segmentation"))
    if isinstance(segmentation, list) and segmentation and not isinstance(segmentation[0], list):
        segmentation = [segmentation]
    category = str(_first(row, _CATEGORY) or "")
    if row.get("bbox_xyxy"):
        x0, y0, x1, y1 = _numbers(_parsed(row["bbox_xyxy"]))
        yield [x0, y0, x1 - x0, y1 - y0], segmentation, category
    elif row.get("bbox"):
        yield _numbers(_parsed(row["bbox"])), segmentation, category


def _numbers(box: Any) -> list[float]:
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"a box is four numbers, not {box!r:.60}")
    return [float(value) for value in box]


def _parsed(value: Any) -> Any:
    """A cell of a CSV file holds lists as JSON."""
    return json.loads(value) if isinstance(value, str) and value.strip()[:1] in ("[", "{") else value


def _texts(value: Any) -> list[str]:
    value = _parsed(value)
    items = value if isinstance(value, list) else [] if value is None else [value]
    words = [item.get("sent") or item.get("raw") or "" if isinstance(item, dict) else item for item in items]
    return [" ".join(str(word).split()) for word in words if str(word).strip()]


def _first(row: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key) not in (None, "", [])), None)
