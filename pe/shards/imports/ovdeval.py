"""OVDEval: COCO's form, whose images list the labels that are asked for: `text` there, `neg_text` hard negatives.

https://github.com/om-ai-lab/OVDEval (Evaluation.md, eval_glip.py), https://huggingface.co/datasets/omlab/OVDEval
"""

from __future__ import annotations

import json
from glob import escape
from pathlib import Path
from typing import Any

from pe.shards.imports._base import Layout
from pe.shards.imports._extras import coco_extras, read_json
from pe.shards.imports._find import one_file, pictures_of
from pe.shards.imports._records import record

__all__ = ["ovdeval"]

_EXHAUSTIVE = ("coco", "celebrity", "landmark", "logo")


def ovdeval(source: Path, pictures: str, split: str) -> Layout:
    """`source` is one of its files (`annotations/negation.json`); its pictures are `images/negation` where that is.

    Absent are the labels of `neg_text`, and no others; in coco, celebrity, landmark and logo, which are asked for every
    category of the file, those that a picture lacks.
    """
    path = one_file(source, (f"{escape(split) or '*'}.json",), "OVDEval JSON")
    content: Any = read_json(path)
    extras, _ = coco_extras(content, path)
    with record(str(path)):
        ids = {str(item["name"]): item["id"] for item in content["categories"]}
    exhaustive = path.stem in _EXHAUSTIVE
    for number, image in enumerate(() if exhaustive else content["images"]):
        with record(f"{path}: images[{number}]"):
            if not {*_labels(image, "text")} <= ids.keys():
                raise ValueError("its text names a label that is no category")
            absent = _labels(image, "neg_text")
            for name in absent:
                if name not in ids:
                    ids[name] = f"negative {len(ids)}"
                    content["categories"].append({"id": ids[name], "name": name})
            image["neg_category_ids"] = [ids[name] for name in absent]
    home = Path(pictures_of(path, ""))
    subset = home / path.stem
    return Layout(
        pictures or str(subset if subset.is_dir() else home),
        path,
        extras,
        exhaustive=exhaustive,
        form=json.dumps(content).encode(),
    )


def _labels(image: dict[str, Any], key: str) -> list[str]:
    value = image[key]
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise ValueError(f"{key} is a list of labels, not {value!r:.40}")
    "".join(value).encode()
    return value
