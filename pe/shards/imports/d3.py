"""D3, the description detection dataset (D-cube), from the dictionaries of its toolkit saved as JSON.

https://github.com/shikras/d-cube (doc.md, "Key Concepts"; d_cube/d3.py). Its d3_full_annotations.json is COCO's form:
import that by the layout `coco`, whose negatives are all other descriptions of the set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pe.errors import InputError
from pe.geometry.masks import encode, segmentation_to_mask
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm, numbers
from pe.shards.imports._extras import refuse_pickle
from pe.shards.imports._find import pictures_of
from pe.shards.imports._records import record

__all__ = ["d3"]

_FILES = ("images", "annotations", "sentences", "groups")
_HINT = "save d3_pkl.zip's dictionaries as JSON where you trust them (docs/benchmarks.md) and name their folder"


def d3(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a folder with images.json, annotations.json, sentences.json and groups.json.

    Boxes are x, y, width, height in pixels, flat or in a list of one; the RLEs of an object are united. An object goes
    by its description, once for each that it fits. Absent are the other descriptions of its picture's group. `split` is
    "pres" or "abs": only presence or absence descriptions; all otherwise.
    """
    if split not in ("", "pres", "abs"):
        raise InputError(f"D3 has the splits pres and abs, not {split!r}")
    images, annotations, sentences, groups = (_read(source, name) for name in _FILES)
    form = CocoForm(source)
    said = {}
    for key, item in sentences.items():
        with record(f"{source}/sentences.json: {key}"):
            item["raw_sent"].encode()
            if not split or bool(item["is_negative"]) == (split == "abs"):
                said[key] = item["raw_sent"]
    for key, item in images.items():
        with record(f"{source}/images.json: {key}"):
            item["file_name"].encode()
            image = form.image(item["file_name"], item["width"], item["height"])
            there = set()
            for where in map(str, item["anno_id"]):
                found = _of(annotations, where, "annotations")
                with record(f"{source}/annotations.json: {where}"):
                    box, mask = _place(found, image)
                    for sentence in map(str, found["sent_id"]):
                        _of(sentences, sentence, "sentences")
                        if sentence in said:
                            there.add(sentence)
                            form.add(image, said[sentence], box, mask)
            group = list(map(str, _of(groups, str(item["group_id"]), "groups")["inner_sent_id"]))
            for sentence in group:
                _of(sentences, sentence, "sentences")
            form.absent(image, [said[sentence] for sentence in group if sentence in said and sentence not in there])
    return form.layout(pictures_of(source / "images.json", pictures))


def _of(table: dict[str, Any], key: str, name: str) -> Any:
    if key not in table:
        raise ValueError(f"{name}.json has no {key!r:.40}")
    return table[key]


def _place(found: dict[str, Any], image: dict[str, Any]) -> tuple[list[float], dict[str, Any] | None]:
    """Box (x0, y0, x1, y1) and mask of an object, whose box is published in a list of one, whose mask as its parts."""
    box = found["bbox"]
    x, y, width, height = numbers(box[0] if isinstance(box, list) and len(box) == 1 else box)
    masks = found.get("segmentation") or []
    masks = masks if isinstance(masks, list) else [masks]
    if not all(isinstance(mask, dict) for mask in masks):
        raise ValueError(f"a segmentation is a list of RLEs, not {masks!r:.40}")
    if len(masks) > 1:
        parts = [segmentation_to_mask(mask, image["height"], image["width"]) for mask in masks]
        masks = [encode(np.any(parts, axis=0)).model_dump(mode="json")]
    return [x, y, x + width, y + height], masks[0] if masks else None


def _read(source: Path, name: str) -> dict[str, Any]:
    path = source / f"{name}.json"
    if not path.is_file():
        pickled = source / f"{name}.pkl"
        if pickled.is_file():
            raise InputError(f"{pickled}: a pickle, which can run code when it is opened; {_HINT}")
        raise InputError(f"{source}: there is no {name}.json in it; {_HINT}")
    data = path.read_bytes()
    refuse_pickle(path, data[:2])
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict) or not value:
        raise InputError(f"{path}: a dictionary by id is expected, with something in it")
    return value
