"""OVDEval: COCO's form, whose images list the labels that are asked for: `text` there, `neg_text` hard negatives.

https://github.com/om-ai-lab/OVDEval (Evaluation.md), https://huggingface.co/datasets/omlab/OVDEval
"""

from __future__ import annotations

import json
from glob import escape
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._extras import coco_extras, read_json
from pe.shards.imports._find import one_file, pictures_of

__all__ = ["ovdeval"]


def ovdeval(source: Path, pictures: str, split: str) -> Layout:
    """`source` is one of its files (`annotations/negation.json`); its pictures are `images/negation` where that is.

    The labels of `neg_text` are absent, and no others.
    """
    path = one_file(source, (f"{escape(split) or '*'}.json",), "OVDEval JSON")
    content: Any = read_json(path)
    extras, _ = coco_extras(content, path)
    try:
        ids = {str(item["name"]): item["id"] for item in content["categories"]}
        for number, image in enumerate(content["images"]):
            for name in image.get("neg_text", []):
                if name not in ids:
                    ids[name] = f"negative {len(ids)}"
                    content["categories"].append({"id": ids[name], "name": name})
            if not {*image.get("text", [])} <= ids.keys():
                raise InputError(f"{path}: images[{number}]: its text names a label that is no category")
            image["neg_category_ids"] = [ids[name] for name in image.get("neg_text", [])]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not OVDEval's form: {error!r}") from None
    home = Path(pictures_of(path, ""))
    subset = home / path.stem
    return Layout(
        pictures or str(subset if subset.is_dir() else home),
        path,
        extras,
        exhaustive=False,
        form=json.dumps(content).encode(),
    )
