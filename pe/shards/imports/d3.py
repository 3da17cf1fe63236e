"""D3, the description detection dataset (D-cube), from the dictionaries of its toolkit saved as JSON.

https://github.com/shikras/d-cube (doc.md, "Key Concepts"; d_cube/d3.py). Its d3_full_annotations.json is COCO's form:
import that by the layout `coco`, whose negatives are all other descriptions of the set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm
from pe.shards.imports._extras import refuse_pickle
from pe.shards.imports._find import pictures_of

__all__ = ["d3"]

_FILES = ("images", "annotations", "sentences", "groups")
_HINT = "save d3_pkl.zip's dictionaries as JSON where you trust them (docs/benchmarks.md) and name their folder"


def d3(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a folder with images.json, annotations.json, sentences.json and groups.json.

    An object goes by its description, once for each that it fits. Absent are the other descriptions of its picture's
    group. `split` is "pres" or "abs": only presence or absence descriptions; all otherwise.
    """
    if split not in ("", "pres", "abs"):
        raise InputError(f"D3 has the splits pres and abs, not {split!r}")
    images, annotations, sentences, groups = (_read(source, name) for name in _FILES)
    form = CocoForm(source)
    try:
        said = {
            key: item["raw_sent"]
            for key, item in sentences.items()
            if not split or bool(item["is_negative"]) == (split == "abs")
        }
        for where, item in images.items():
            image = form.image(item["file_name"], item["width"], item["height"])
            there = set()
            for where in map(str, item["anno_id"]):
                record = annotations[where]
                rle = record.get("segmentation")
                rle = rle[0] if isinstance(rle, list) and len(rle) == 1 else rle
                x, y, width, height = record["bbox"]
                for sentence in map(str, record["sent_id"]):
                    if sentence in said:
                        there.add(sentence)
                        box = [x, y, x + width, y + height]
                        form.add(image, said[sentence], box, rle if isinstance(rle, dict) else None)
            group = map(str, groups[str(item["group_id"])]["inner_sent_id"])
            form.absent(image, [said[key] for key in group if key in said and key not in there])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{source}: not D3's dictionaries, at {where}: {error!r}") from None
    return form.layout(pictures_of(source / "images.json", pictures))


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
    if not isinstance(value, dict):
        raise InputError(f"{path}: a dictionary by id is expected")
    return value
