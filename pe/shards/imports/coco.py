"""COCO: instances, with captions and person key points from their files beside it. https://cocodataset.org/#format-data"""

from __future__ import annotations

from pathlib import Path

from pe.shards.imports._base import Layout, PictureExtras
from pe.shards.imports._extras import coco_extras, read_json
from pe.shards.imports._find import one_file, pictures_of

__all__ = ["coco"]


def coco(source: Path, pictures: str, split: str) -> Layout:
    """`source` is the instances file, or a folder with one. Of instances_X.json the files captions_X.json and
    person_keypoints_X.json beside it are read too. Categories that a picture lacks are absent from it.
    """
    path = one_file(source, ("instances*.json", "*.json"), "COCO instances JSON")
    extras, keypoints = coco_extras(read_json(path), path)
    if "instances" in path.name:
        for other in ("captions", "person_keypoints"):
            beside = path.with_name(path.name.replace("instances", other, 1))
            if beside.is_file():
                more, names = coco_extras(read_json(beside), beside)
                keypoints |= names
                for name, found in more.items():
                    _merge(extras.setdefault(name, PictureExtras()), found)
    return Layout(pictures_of(path, pictures), path, extras, keypoints)


def _merge(extras: PictureExtras, found: PictureExtras) -> None:
    extras.captions += found.captions
    for ref, extra in found.objects.items():
        if ref in extras.objects:
            extras.objects[ref].keypoints = extra.keypoints
        else:
            extras.objects[ref] = extra
