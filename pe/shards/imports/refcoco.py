"""Referring expressions: RefCOCO's refs and instances as JSON, or rows of picture, sentences and box.

https://github.com/lichengunc/refer
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout, PictureExtras
from pe.shards.imports._extras import coco_extras, read_json
from pe.shards.imports._find import one_file, pictures_of
from pe.shards.imports._rows import are_rows, rows_as_coco

__all__ = ["refcoco"]


def refcoco(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a file of refs or of rows, or a folder with one; refs need instances.json beside them.

    A ref with a list of ann_ids refers to several objects, one with none (or -1) to nothing. Only refs of `split` are
    taken, where one is named. Nothing is known to be absent. Pickles are refused.
    """
    path = one_file(source, ("refs*.json", "*.jsonl", "*.p"), "refs JSON or JSON lines of referring expressions")
    if are_rows(path) and not _are_refs(path):
        extras, keypoints = coco_extras(json.loads(rows_as_coco(path, split)), path)
        return Layout(pictures_of(path, pictures), path, extras, keypoints, exhaustive=False)
    refs = read_json(path)
    instances = path.with_name("instances.json")
    if not instances.is_file():
        raise InputError(f"{path}: RefCOCO's refs need instances.json beside them, for boxes and masks")
    content = read_json(instances)
    extras, keypoints = coco_extras(content, instances)
    names = {image.get("id"): str(image.get("file_name")) for image in content["images"]}
    for number, ref in enumerate(refs):
        try:
            if not split or ref["split"] == split:
                texts = [item["sent"] if isinstance(item, dict) else item for item in ref["sentences"]]
                found = extras.setdefault(names[ref["image_id"]], PictureExtras())
                found.expressions += [(" ".join(text.split()), _targets(ref["ann_id"])) for text in texts]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: ref {number} has no usable {error}") from None
    return Layout(pictures_of(instances, pictures), instances, extras, keypoints, exhaustive=False)


def _are_refs(path: Path) -> bool:
    """Whether a JSON array is of RefCOCO's refs."""
    if path.suffix != ".json":
        return False
    value = read_json(path)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "ann_id" in value[0]


def _targets(value: Any) -> list[str]:
    ids = value if isinstance(value, list) else [value]
    return [str(item) for item in ids if item is not None and item != -1]
