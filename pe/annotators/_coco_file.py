"""COCO and LVIS JSON. Formats: https://cocodataset.org/#format-data and https://www.lvisdataset.org/dataset."""

from __future__ import annotations

import contextlib
import hashlib
import json
from array import array
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from pe.annotators.annotation_files import AnnotatedImage, Annotation, AnnotationFile, Segmentation
from pe.errors import InputError
from pe.schemas.sample import is_coordinate, loads

_USED = ("id", "image_id", "category_id", "bbox", "segmentation", "iscrowd")
# COCO's rasteriser walks every outline at five times its length, so that a stray 1e9 would take all memory.
_FAR = 1e5


class _MalformedError(Exception):
    """What is wrong with one record; the caller knows the place."""


def read_coco(path: Path, form: bytes = b"") -> AnnotationFile:
    """Read COCO or LVIS instances. Raises InputError naming the first malformed place.

    `form` is the content of `path` (a file or a folder) in COCO's form, where that itself has another.
    """
    data = form if path.is_dir() else path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    data = form or data
    try:
        content = loads(data, _compact)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON at line {error.lineno} column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    del data
    if not isinstance(content, dict):
        raise InputError(f"{path}: not COCO or LVIS JSON: the top level is not an object")
    for section in ("images", "annotations", "categories"):
        if not isinstance(content.get(section), list):
            raise InputError(f"{path}: not COCO or LVIS instances: it has no list of {section}")

    where = ""
    try:
        categories: dict[int | str, str] = {}
        for index, record in enumerate(content["categories"]):
            where = f"categories[{index}]"
            name = _record(record).get("name")
            if not isinstance(name, str) or not name.strip():
                raise _MalformedError("has no name")
            if _id(record, "id") in categories:
                raise _MalformedError(f"id {record['id']!r} is used twice")
            categories[record["id"]] = name
        images: dict[int | str, AnnotatedImage] = {}
        names: list[tuple[AnnotatedImage, list[str]]] = []
        for index, record in enumerate(content["images"]):
            where = f"images[{index}]"
            image, known_as = _image(_record(record), categories)
            if _id(record, "id") in images:
                raise _MalformedError(f"id {record['id']!r} is used twice")
            images[record["id"]] = image
            names.append((image, known_as))
        seen: set[tuple[int | str, str]] = set()
        records = content["annotations"]
        for index, record in enumerate(records):
            where = f"annotations[{index}]"
            if "id" in _record(record):
                where += f" (id {record['id']!r})"
            image_id = _id(record, "image_id")
            if image_id not in images:
                raise _MalformedError(f"image_id {image_id!r} is not among the images")
            annotation = _annotation(record, str(record.get("id", f"#{index}")), images[image_id], categories)
            if (image_id, annotation.id) in seen:
                raise _MalformedError(f"the id is used twice in image {image_id!r}")
            seen.add((image_id, annotation.id))
            images[image_id].annotations.append(annotation)
            records[index] = None
    except _MalformedError as error:
        raise InputError(f"{path}: {where} {error}") from error
    return AnnotationFile(
        path,
        sha256,
        categories.values(),
        names,
        licence=_single_license(content.get("licenses")),
        # What has another form gave its pictures no ids: they were counted off.
        ids={} if form else {key: image for key, image in images.items() if isinstance(key, int)},
    )


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """Shrink an annotation as soon as it is parsed: boxed floats take four times the file's size in memory."""
    if "image_id" not in record:
        return record
    kept = {key: record[key] for key in _USED if key in record}
    rings = kept.get("segmentation")
    if isinstance(rings, list):
        # What cannot be packed is reported with its place by _segmentation.
        with contextlib.suppress(TypeError, OverflowError):
            kept["segmentation"] = tuple(array("d", ring) for ring in rings)
    return kept


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _MalformedError("is not an object")
    return value


def _id(record: dict[str, Any], key: str) -> int | str:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _MalformedError(
            f"has no {key}" if value is None else f"{key} must be a number or a string, not {value!r:.60}"
        )
    return value


def _side(record: dict[str, Any], key: str) -> int:
    value = record.get(key) or 0
    if not is_coordinate(value) or value != int(value) or value < 0:
        raise _MalformedError(f"{key} must be a whole number of pixels, not {value!r:.60}")
    return int(value)


def _image(record: dict[str, Any], categories: dict[int | str, str]) -> tuple[AnnotatedImage, list[str]]:
    known_as = []
    if isinstance(record.get("file_name"), str) and record["file_name"]:
        known_as.append(record["file_name"])
    if isinstance(record.get("coco_url"), str) and record["coco_url"]:
        # LVIS v1 has no file_name; the URL ends in FOLDER/NAME.
        known_as.append("/".join(record["coco_url"].split("/")[-2:]))
    if not known_as:
        raise _MalformedError("has no file_name and no coco_url")
    image = AnnotatedImage(
        known_as[0],
        _side(record, "width"),
        _side(record, "height"),
        negatives=_categories(record, "neg_category_ids", categories),
        not_exhaustive=frozenset(_categories(record, "not_exhaustive_category_ids", categories) or ()),
    )
    return image, known_as


def _categories(record: dict[str, Any], key: str, categories: dict[int | str, str]) -> list[str] | None:
    if key not in record:
        return None
    ids = record[key]
    if not isinstance(ids, list) or not all(isinstance(i, int | str) and i in categories for i in ids):
        raise _MalformedError(f"{key} must be a list of ids of the file's categories")
    return [categories[i] for i in ids]


def _annotation(
    record: dict[str, Any], ref: str, image: AnnotatedImage, categories: dict[int | str, str]
) -> Annotation:
    category_id = _id(record, "category_id")
    if category_id not in categories:
        raise _MalformedError(f"category_id {category_id!r} is not among the categories")
    segmentation = _segmentation(record.get("segmentation"), image)
    bbox = record.get("bbox")
    if bbox is not None:
        if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(is_coordinate, bbox)):
            raise _MalformedError(f"bbox must be four numbers x, y, width, height, not {bbox!r:.80}")
        x, y, width, height = (float(value) for value in bbox)
    elif isinstance(segmentation, tuple) and segmentation:
        xs = [value for ring in segmentation for value in ring[0::2]]
        ys = [value for ring in segmentation for value in ring[1::2]]
        x, y, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    elif isinstance(segmentation, bytes):
        rle = {"size": [image.height, image.width], "counts": segmentation}
        x, y, width, height = (float(value) for value in coco_mask.toBbox(rle))
    else:
        raise _MalformedError("has neither bbox nor segmentation")
    return Annotation(
        ref, categories[category_id], (x, y, x + width, y + height), segmentation, bool(record.get("iscrowd", 0))
    )


def _segmentation(value: Any, image: AnnotatedImage) -> Segmentation:
    if value is None or value in ([], ()):
        return None
    if isinstance(value, dict):
        return _rle(value, image)
    if not isinstance(value, tuple):
        raise _MalformedError(f"segmentation must be a list of x, y, x, y ... lists or an RLE, not {value!r:.60}")
    for ring in value:
        if len(ring) % 2 or not all(-_FAR < number < _FAR for number in ring):
            raise _MalformedError("segmentation has a polygon that is not x, y pairs of pixels")
    # Two points have no area; pycocotools would read their four numbers as a box.
    return tuple(ring for ring in value if len(ring) >= 6)


def _rle(value: dict[str, Any], image: AnnotatedImage) -> bytes:
    """COCO's compressed counts; whether a compressed string fills its picture shows when it is drawn."""
    size, counts = value.get("size"), value.get("counts")
    if not image.width or not image.height:
        raise _MalformedError("segmentation is an RLE, and its image has no width and height")
    if size != [image.height, image.width]:
        raise _MalformedError(f"RLE size is {size!r:.60}, its image is [{image.height}, {image.width}]")
    if isinstance(counts, str):
        return counts.encode("ascii", "replace")
    pixels = image.height * image.width
    if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in counts) or sum(counts) != pixels:
        raise _MalformedError(f"RLE counts do not add up to {pixels} pixels")
    return bytes(coco_mask.frPyObjects({"size": size, "counts": counts}, *size)["counts"])


def _single_license(licenses: Any) -> str:
    if isinstance(licenses, list) and len(licenses) == 1 and isinstance(licenses[0], dict):
        return str(licenses[0].get("name") or "")
    return ""
