"""Annotations that come as rows (JSON lines, a JSON array, CSV), brought into COCO form.

A row is a picture with objects ({"file_name", "objects": {"bbox", "categories"}}, Hugging Face's imagefolder) or one
referred object ({"image", "sentences", "bbox", "segmentation"}; {"image", "problem", "solution"} in VLM-R1's
rec_jsons_processed, https://github.com/om-ai-lab/VLM-R1, src/eval/test_rec_r1.py). Several rows of one picture, and of
one object, belong together.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.schemas.sample import dumps
from pe.shards.imports._base import PictureExtras
from pe.shards.imports._extras import coco_extras, refuse_pickle
from pe.shards.imports._records import record

_NAME = ("file_name", "image", "image_path", "img_path", "img", "image_name")
_SAID = ("sentences", "sents", "sent", "sentence", "expressions", "expression", "phrase", "problem", "refer")
_CAPTION = ("caption", "captions", "text")
_CATEGORY = ("category", "category_name", "label")
_OBJECT = ("objects", "bbox", "bbox_xyxy", "solution", "segmentation")
# Boxes are rounded, and some count their last pixel.
_ROUNDING = 2


def are_rows(path: Path) -> bool:
    """Whether `path` holds rows, and not one COCO document: by its suffix, a .json by its first character."""
    if path.suffix.lower() in (".jsonl", ".ndjson", ".csv"):
        return True
    if path.suffix.lower() != ".json":
        return False
    with path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def rows_as_coco(path: Path, split: str = "", *, referring: bool = False) -> bytes:
    """COCO-form JSON of the rows in `path`; of another `split` than the one asked for nothing that is said counts.

    Boxes are in pixels: `bbox` x, y, width, height as in COCO, `bbox_xyxy` and `solution` two corners. A row that says
    something and has an empty list for its object refers to nothing. An object without a category goes by the first
    thing said of it. No category is known to be absent. With `referring` every row has to say something. Raises
    InputError with the place of a row that is malformed.
    """
    images: dict[str, dict[str, Any]] = {}
    objects: dict[tuple[str, str], dict[str, Any]] = {}
    categories: dict[str, int] = {}
    splits = set()
    for number, row in rows_of(path):
        with record(f"{path}:{number}"):
            if referring and not _texts(_first(row, _SAID)):
                raise ValueError(
                    f"it says nothing: what refers is read from one of {', '.join(_SAID)}; "
                    "rows of conversations are taken by --from rows"
                )
            splits.add(str(row.get("split") or ""))
            _take(row, split, images, objects, categories)
    if split and split not in splits:
        raise InputError(f"{path}: no row of split {split!r}; its splits: {', '.join(sorted(splits - {''})) or 'none'}")
    return dumps(
        {
            "images": list(images.values()),
            "annotations": list(objects.values()),
            "categories": [{"id": number, "name": name} for name, number in categories.items()],
        }
    ).encode()


def extras_of_rows(
    path: Path, split: str = "", *, referring: bool = False
) -> tuple[dict[str, PictureExtras], dict[str, list[str]]]:
    """See coco_extras, of the rows in `path` as rows_as_coco takes them. Raises InputError."""
    content = json.loads(rows_as_coco(path, split, referring=referring))
    # Boxes and masks are read elsewhere.
    bare = [{**item, "segmentation": None} for item in content["annotations"]]
    return coco_extras({**content, "annotations": bare}, path)


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows in `path`, at least one, with their numbers (from 1: lines, of CSV from 2, items of an array).

    Raises InputError.
    """
    number = 0
    try:
        with path.open("rb") as stream:
            refuse_pickle(path, stream.read(2))
        for number, row in _values(path):
            with record(f"{path}:{number}"):
                if not isinstance(row, dict):
                    raise ValueError(f"a row is an object with the picture's name, not {row!r:.40}")
                json.dumps(row, ensure_ascii=False).encode()
            yield number, row
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not number:
        raise InputError(f"{path}: no rows")


def _values(path: Path) -> Iterator[tuple[int, Any]]:
    if path.suffix.lower() == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                yield from enumerate(csv.DictReader(lines), 2)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: not rows of CSV: {error}") from None
    elif path.suffix.lower() == ".json":
        value = _loads(path.read_bytes(), str(path))
        if not isinstance(value, list):
            raise InputError(f"{path}: not an array of rows; COCO-form JSON is taken by --from coco")
        yield from enumerate(value, 1)
    else:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _loads(line.rstrip(), f"{path}:{number}")


def _loads(data: bytes, place: str) -> Any:
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno} " if error.lineno > 1 else ""
        raise InputError(f"{place}: not rows of JSON, at {line}column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not rows of JSON: {error}") from None


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
            image[key] = _side(row[key], key)
    said = _texts(_first(row, _SAID))
    image["captions"] += [text for text in _texts(_first(row, _CAPTION)) if text not in image["captions"]]
    ids = []
    for box, segmentation, category in _objects(row, image, bool(said)):
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
            if isinstance(segmentation, dict) and "height" not in image:
                image["height"], image["width"] = segmentation["size"]
        ids.append(objects[place]["id"])
    if not split or str(row.get("split")) == split:
        image["expressions"] += [{"text": text, "ids": ids} for text in said]


def _objects(row: dict[str, Any], image: dict[str, Any], said: bool) -> Iterator[tuple[list[float] | None, Any, str]]:
    """Box (x, y, width, height; None where only a mask is told), segmentation, category of each object of a row."""
    told = {key: _parsed(row[key]) for key in _OBJECT if row.get(key) not in (None, "")}
    if said and not told:
        raise ValueError(
            f"it says something of no object: what it refers to is read from one of {', '.join(_OBJECT)}; "
            'a row that refers to nothing has "bbox": []'
        )
    size = image.get("width", 0), image.get("height", 0)
    table = told.get("objects", [])
    if table != []:
        if not isinstance(table, dict):
            raise ValueError(f'objects is {{"bbox": [...], "categories": [...]}}, not {table!r:.40}')
        boxes = table["bbox"]
        names = _first(table, ("categories", *_CATEGORY)) or [""] * len(boxes)
        if len(names) != len(boxes):
            raise ValueError(f"{len(boxes)} boxes and {len(names)} categories")
        for box, name in zip(boxes, names, strict=True):
            yield in_pixels(_numbers(box), size), None, str(name)
        return
    segmentation = told.get("segmentation", [])
    if not isinstance(segmentation, list | dict):
        raise ValueError(f"a segmentation is polygons or an RLE, not {segmentation!r:.40}")
    if isinstance(segmentation, list) and segmentation and not isinstance(segmentation[0], list):
        segmentation = [segmentation]
    category = str(_first(row, _CATEGORY) or "")
    corners = told.get("bbox_xyxy") or told.get("solution")
    if corners:
        x0, y0, x1, y1 = _numbers(corners)
        yield in_pixels([x0, y0, x1 - x0, y1 - y0], size), segmentation, category
    elif told.get("bbox", []) != []:
        corners = "; corners x0, y0, x1, y1, as Qwen-VL's and InternVL's rows have them, go by the key bbox_xyxy"
        yield in_pixels(_numbers(told["bbox"]), size, corners), segmentation, category
    elif segmentation:
        yield None, segmentation, category


def in_pixels(box: list[float], size: tuple[float, float], hint: str = "") -> list[float]:
    """`box` (x, y, width, height), where it can be in pixels of a picture of `size` (width, height; 0 unknown).

    Raises ValueError for fractions of a picture, and, with `hint`, for what reaches beyond it by more than rounding.
    """
    x, y, width, height = box
    if 0 < width <= 1 and 0 < height <= 1 and 0 <= x <= 1 and 0 <= y <= 1:
        raise ValueError(f"the box {box} looks like fractions of the picture; multiply by its width and height")
    if any(side and far > side + _ROUNDING for side, far in zip(size, (x + width, y + height), strict=True)):
        raise ValueError(
            f"a box of x, y, width, height {box} reaches beyond its picture of {size[0]} x {size[1]} pixels{hint}"
        )
    return box


def _numbers(box: Any) -> list[float]:
    try:
        values = [float(value) for value in box] if isinstance(box, list) else []
    except (TypeError, ValueError, OverflowError):
        values = []
    if len(values) != 4 or not all(map(math.isfinite, values)):
        raise ValueError(f"a box is four numbers, not {box!r:.60}")
    return values


def _side(value: Any, key: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{key} is a number of pixels, not {value!r:.40}") from None


def _parsed(value: Any) -> Any:
    """A cell of a CSV file holds lists as JSON."""
    return json.loads(value) if isinstance(value, str) and value.strip()[:1] in ("[", "{") else value


def _texts(value: Any) -> list[str]:
    value = _parsed(value)
    items = value if isinstance(value, list) else [] if value is None else [value]
    words = [item.get("sent") or item.get("raw") or "" if isinstance(item, dict) else item for item in items]
    # VLM-R1's `problem` is the whole question.
    texts = [str(word).rpartition("region this sentence describes:")[2] for word in words]
    return [" ".join(text.split()) for text in texts if text.strip()]


def _first(row: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key) not in (None, "", [])), None)
