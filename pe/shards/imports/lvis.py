"""LVIS: COCO's form, absent only what `neg_category_ids` says. https://www.lvisdataset.org/dataset"""

from __future__ import annotations

from pathlib import Path

from pe.shards.imports._base import Extra, Layout
from pe.shards.imports._extras import coco_extras, image_name, read_json
from pe.shards.imports._find import one_file, pictures_of
from pe.shards.imports._records import record

__all__ = ["lvis"]


def lvis(source: Path, pictures: str, split: str) -> Layout:
    """`source` is the annotation file, or a folder with one.

    Objects of a category in the picture's `not_exhaustive_category_ids` are to be ignored: others of it are not
    annotated, so that nothing can be asked of it there.
    """
    path = one_file(source, ("lvis*.json", "*.json"), "LVIS JSON")
    content = read_json(path)
    extras, keypoints = coco_extras(content, path)
    partly = {}
    for number, image in enumerate(content["images"]):
        with record(f"{path}: images[{number}]"):
            partly[image["id"]] = image_name(image), frozenset(image.get("not_exhaustive_category_ids") or ())
    for number, annotation in enumerate(content.get("annotations") or ()):
        with record(f"{path}: annotations[{number}]"):
            name, categories = partly.get(annotation["image_id"], ("", frozenset()))
            if annotation["category_id"] in categories:
                extras[name].objects.setdefault(str(annotation.get("id", f"#{number}")), Extra()).ignore = True
    return Layout(pictures_of(path, pictures), path, extras, keypoints, exhaustive=False)
