"""LVIS: COCO's form, absent only what `neg_category_ids` says. https://www.lvisdataset.org/dataset"""

from __future__ import annotations

from pathlib import Path

from pe.shards.imports._base import Layout
from pe.shards.imports._extras import coco_extras, read_json
from pe.shards.imports._find import one_file, pictures_of

__all__ = ["lvis"]


def lvis(source: Path, pictures: str, split: str) -> Layout:
    """`source` is the annotation file, or a folder with one."""
    path = one_file(source, ("lvis*.json", "*.json"), "LVIS JSON")
    extras, keypoints = coco_extras(read_json(path), path)
    return Layout(pictures_of(path, pictures), path, extras, keypoints, exhaustive=False)
