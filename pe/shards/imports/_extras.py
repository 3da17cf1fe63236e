"""What COCO-form JSON says besides boxes and masks: texts, key points, captions, expressions, licences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pe.errors import InputError
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
        # NaN stands for nothing, as in what pandas writes.
        return json.loads(data, object_hook=_small, parse_constant=lambda _: None)
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
    does not know become attributes. Raises InputError for what is not COCO-form.
    """
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(f"{path}: not COCO-form JSON: it has no list of images")
    names: dict[Any, str] = {}
    extras: dict[str, PictureExtras] = {}
    where = "licenses"
    try:
        licences = {item.get("id"): _licence(item) for item in _records(content, "licenses")}
        for index, image in enumerate(_records(content, "images")):
            where = f"images[{index}]"
            name = image_name(image)
            names[image.get("id")] = name
            found = extras.setdefault(name, PictureExtras())
            found.license = licences.get(image.get("license"), "")
            found.url = str(image.get("flickr_url") or image.get("coco_url") or "")
            found.captions += [str(text) for text in _list(image, "captions")]
            for item in _list(image, "expressions"):
                found.expressions.append((str(item["text"]), list(map(str, _list(item, "ids")))))
        for index, record in enumerate(_records(content, "annotations")):
            where = f"annotations[{index}]"
            picture = extras.get(names.get(record.get("image_id"), ""))
            if picture is None:
                continue
            if isinstance(record.get("caption"), str) and "bbox" not in record and "category_id" not in record:
                picture.captions.append(record["caption"])
                continue
            extra = _extra(record)
            if extra != Extra():
                picture.objects[str(record.get("id", f"#{index}"))] = extra
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: {where} is not as COCO's form has it: {error}") from error
    keypoints = {
        item["name"]: [str(name) for name in item["keypoints"]]
        for item in _records(content, "categories")
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


def _records(content: dict[str, Any], section: str) -> list[dict[str, Any]]:
    value = content.get(section)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key) or []
    if not isinstance(value, list):
        raise TypeError(f"{key} must be a list, not {value!r:.60}")
    return value


def _licence(record: dict[str, Any]) -> str:
    return str(record.get("name") or record.get("url") or "")


def _extra(record: dict[str, Any]) -> Extra:
    extra = Extra(ignore=bool(record.get("ignore")))
    text = record.get("text", record.get("utf8_string"))
    if isinstance(text, str):
        extra.text = text
    rings = record.get("quad") or (record.get("segmentation") or [None])[0]
    if extra.text and isinstance(rings, list) and len(rings) == 8:
        extra.quad = [float(value) for value in rings]
    points = record.get("keypoints")
    if isinstance(points, list) and points and len(points) % 3 == 0 and any(points[2::3]):
        extra.keypoints = [float(value) for value in points]
    caption = record.get("caption") or record.get("content_desc")
    extra.caption = caption if isinstance(caption, str) else ""
    extra.attributes = {key: value for key, value in record.items() if key not in _KNOWN and value not in (None, "")}
    return extra
