"""Referring expressions: RefCOCO's refs and instances as JSON, or rows of picture, sentences and box.

https://github.com/lichengunc/refer
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout, PictureExtras
from pe.shards.imports._extras import coco_extras, read_json
from pe.shards.imports._find import one_file, pictures_of
from pe.shards.imports._records import record
from pe.shards.imports._rows import are_rows, extras_of_rows

__all__ = ["refcoco"]


def refcoco(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a file of refs or of rows, or a folder with one; refs need instances.json beside them.

    A ref with a list of ann_ids refers to several objects, one with none (or -1) to nothing. Only refs of `split` are
    taken, where one is named. Nothing is known to be absent. Pickles are refused, and a ref to what its picture lacks.
    """
    path = one_file(source, ("refs*.json", "*.jsonl", "*.p"), "refs JSON or JSON lines of referring expressions")
    if are_rows(path) and not _are_refs(path):
        extras, keypoints = extras_of_rows(path, split, referring=True)
        return Layout(pictures_of(path, pictures), path, extras, keypoints, exhaustive=False)
    refs = read_json(path)
    if not isinstance(refs, list) or not refs:
        raise InputError(f"{path}: not a list of RefCOCO's refs")
    instances = path.with_name("instances.json")
    if not instances.is_file():
        raise InputError(f"{path}: RefCOCO's refs need instances.json beside them, for boxes and masks")
    content = read_json(instances)
    extras, keypoints = coco_extras(content, instances)
    with record(str(instances)):
        names = {image.get("id"): str(image.get("file_name")) for image in content["images"]}
        homes = {str(item.get("id")): item.get("image_id") for item in content["annotations"]}
    splits = set()
    for number, ref in enumerate(refs):
        with record(f"{path}: ref {number}"):
            splits.add(str(ref.get("split", "")))
            if not split or ref["split"] == split:
                if ref["image_id"] not in names:
                    raise ValueError(f"its picture {ref['image_id']!r:.40} is not in {instances.name}")
                found = extras.setdefault(names[ref["image_id"]], PictureExtras())
                targets = _targets(ref, homes)
                found.expressions += [(text, targets) for text in _sentences(ref["sentences"])]
    if split and split not in splits:
        raise InputError(f"{path}: no ref of split {split!r}; its splits: {', '.join(sorted(splits)) or 'none'}")
    return Layout(pictures_of(instances, pictures), instances, extras, keypoints, exhaustive=False)


def _are_refs(path: Path) -> bool:
    """Whether a JSON array is of RefCOCO's refs."""
    if path.suffix != ".json":
        return False
    value = read_json(path)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "ann_id" in value[0]


def _sentences(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"its sentences are a list, not {value!r:.40}")
    texts = []
    for item in value:
        text = (item.get("sent") or item.get("raw")) if isinstance(item, dict) else item
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"a sentence is a text with words, not {item!r:.40}")
        text.encode()
        texts.append(" ".join(text.split()))
    return texts


def _targets(ref: dict[str, Any], homes: dict[str, Any]) -> list[str]:
    value = ref["ann_id"]
    ids = [item for item in (value if isinstance(value, list) else [value]) if item is not None and item != -1]
    for item in ids:
        if homes.get(str(item)) != ref["image_id"]:
            raise ValueError(f"its ann_id {item!r:.40} is no annotation of its picture {ref['image_id']!r:.40}")
    return list(map(str, ids))
