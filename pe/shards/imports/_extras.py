"""What COCO-form JSON says besides boxes and masks: texts, key points, captions, expressions, licences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.schemas.sample import is_coordinate, loads
from pe.shards.imports._base import Extra, PictureExtras

_KNOWN = frozenset(
    (
        *("id", "image_id", "category_id", "bbox", "segmentation", "iscrowd", "area", "num_keypoints", "score"),
        *("text", "utf8_string", "ignore", "keypoints", "caption", "content_desc", "quad"),
    )
)


def read_json(path: Path) -> Any:
    """The JSON in `path`, masks left out: what is large in it is read elsewhere. Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    refuse_pickle(path, data[:2])
    try:
        return loads(data, _small)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error


def refuse_pickle(path: Path, head: bytes) -> None:
    """Raise InputError for a pickle, by its suffix or its first bytes."""
    if path.suffix.lower() in (".p", ".pkl", ".pickle") or head[:1] == b"\x80":
        raise InputError(
            f"{path}: a pickle, which can run code when it is opened; pe opens none. "
            "Save it as JSON where you trust it (json.dump(pickle.load(file), ...)) and name that"
        )


def coco_extras(content: Any, path: Path) -> tuple[dict[str, PictureExtras], dict[str, list[str]]]:
    """(extras by picture name, key point names by category) of COCO-form `content`.

    Beside COCO's own fields it knows COCO-Text's `utf8_string`, `text`, `ignore`, `content_desc`, and of an image
    `captions` (texts) and `expressions` ({"text", "ids"}). A text's outline of four corners is its quad. Fields that it
    does not know become attributes, NaN in them null. Raises InputError for what is not COCO-form.
    """
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(f"{path}: not COCO-form JSON: it has no list of images")
    names: dict[Any, str] = {}
    extras: dict[str, PictureExtras] = {}
    licences: dict[Any, str] = {}
    where = ""
    try:
        for place, record in _records(content, "licenses"):
            where = place
            licences[_id(record, "id")] = str(record.get("name") or record.get("url") or "")
        for place, image in _records(content, "images"):
            where = place
            name = image_name(image)
            names[_id(image, "id")] = name
            found = extras.setdefault(name, PictureExtras())
            found.license = licences.get(_id(image, "license"), "")
            found.url = str(image.get("flickr_url") or image.get("coco_url") or "")
            found.captions += map(str, _list(image, "captions"))
            found.expressions += map(_expression, _list(image, "expressions"))
        for index, (place, record) in enumerate(_records(content, "annotations")):
            where = place
            picture = extras.get(names.get(_id(record, "image_id"), ""))
            if picture is None:
                continue
            if isinstance(record.get("caption"), str) and "bbox" not in record and "category_id" not in record:
                picture.captions.append(record["caption"])
                continue
            extra = _extra(record)
            if extra != Extra():
                picture.objects[str(record.get("id", f"#{index}"))] = extra
    except ValueError as error:
        raise InputError(f"{path}: {where} {error}") from None
    keypoints = {
        item["name"]: [str(name) for name in item["keypoints"]]
        for _, item in _records(content, "categories")
        if isinstance(item.get("name"), str) and isinstance(item.get("keypoints"), list)
    }
    return extras, keypoints


def image_name(image: dict[str, Any]) -> str:
    """The name a picture goes by: its file_name, else FOLDER/NAME at the end of its coco_url (LVIS)."""
    return str(image.get("file_name") or "/".join(str(image.get("coco_url") or "").split("/")[-2:]))


def _small(record: dict[str, Any]) -> dict[str, Any]:
    rings = record.get("segmentation")
    if rings is not None:
        # Of outlines only the quads of texts are of use here.
        quad = isinstance(rings, list) and len(rings) == 1 and isinstance(rings[0], list) and len(rings[0]) == 8
        record["segmentation"] = rings if quad else None
    return record


def _records(content: dict[str, Any], section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, record) of a section."""
    value = content.get(section)
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield f"{section}[{index}] (id {item.get('id')!r:.40})", item


def _id(record: dict[str, Any], key: str) -> Any:
    value = record.get(key)
    if isinstance(value, list | dict):
        raise ValueError(f"{key} must be a number or a string, not {value!r:.60}")
    return value


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    if value is not None and not isinstance(value, list):
        raise ValueError(f"{key} must be a list, not {value!r:.60}")
    return value or []


def _expression(item: Any) -> tuple[str, list[str]]:
    if not isinstance(item, dict) or not isinstance(item.get("text"), str) or not isinstance(item.get("ids"), list):
        raise ValueError(f"an expression is a text and a list of ids, not {item!r:.60}")
    return item["text"], list(map(str, item["ids"]))


def _coordinates(values: list[Any], what: str) -> list[float]:
    if not all(map(is_coordinate, values)):
        raise ValueError(f"{what} must be numbers in pixels, not {values!r:.80}")
    return [float(value) for value in values]


def _finite(value: Any) -> Any:
    """`value` in JSON's types with null for NaN and infinity, which pandas and numpy write for what is not known."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _extra(record: dict[str, Any]) -> Extra:
    extra = Extra(ignore=bool(record.get("ignore")))
    text = record.get("text", record.get("utf8_string"))
    if isinstance(text, str):
        extra.text = text
    rings = record.get("quad") or (record.get("segmentation") or [None])[0]
    if extra.text and isinstance(rings, list) and len(rings) == 8:
        extra.quad = _coordinates(rings, "quad")
    points = record.get("keypoints")
    if isinstance(points, list) and points and len(points) % 3 == 0 and any(points[2::3]):
        extra.keypoints = _coordinates(points, "keypoints")
    caption = record.get("caption") or record.get("content_desc")
    extra.caption = caption if isinstance(caption, str) else ""
    others = {key: _finite(value) for key, value in record.items() if key not in _KNOWN}
    extra.attributes = {key: value for key, value in others.items() if value not in (None, "")}
    return extra
