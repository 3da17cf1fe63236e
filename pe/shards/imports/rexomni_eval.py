"""Rex-Omni's evaluation sets (Dense200, COCO, LVIS, VisDrone, HumanRef, RefCOCOg, DocLayNet ...) as JSON lines.

https://github.com/IDEA-Research/Rex-Omni (evaluation/README.md, inference_text_prompt.py, metrics/other_metric.py),
https://huggingface.co/datasets/Mountchicken/Rex-Omni-EvalData
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm
from pe.shards.imports._find import one_file
from pe.shards.imports._records import record
from pe.shards.imports._rows import rows_of

__all__ = ["rexomni_eval"]


def rexomni_eval(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a file of `box_eval` (boxes x0, y0, x1, y1 by category) or of `point_eval` (masks by category);
    `pictures` the folder that the archives were unpacked in.

    The name of a referring row is an expression, not a category; one without anything in `gt` refers to nothing. A
    category that is asked for and has nothing in `gt` is absent. Rows of text in polygons, of GUI and of key points are
    refused.
    """
    path = one_file(source, ("*.jsonl",), "JSON lines of Rex-Omni's evaluation")
    form = CocoForm(path)
    for number, row in rows_of(path):
        with record(f"{path}:{number}"):
            _take(form, row)
    # The archives lie beside the folder of annotations: _annotations/box_eval/NAME.jsonl.
    home = next((folder.parent for folder in path.parents if folder.name.endswith("annotations")), path.parent)
    return form.layout(pictures or str(home))


def _take(form: CocoForm, row: dict[str, Any]) -> None:
    truth = row["gt"]
    if not isinstance(truth, dict):
        raise ValueError(f"only rows with a dict of boxes or masks are taken; this one is {row.get('task_name')!r}")
    referring = "referring" in str(row.get("task_name"))
    masks = truth.get("gt_mask")
    found = truth if masks is None else masks
    if not isinstance(found, dict):
        raise ValueError(f"gt_mask is a dict of masks by category, not {found!r:.40}")
    asked = row["categories"]
    if not isinstance(asked, list) or not asked:
        raise ValueError(f"categories are a list of names, not {asked!r:.40}")
    image = form.image(row["image_path"])
    for name, items in (found or ({name: [] for name in asked} if referring else {})).items():
        category = "object" if referring else name
        ids = [
            form.add(image, category, item) if masks is None else form.add(image, category, None, item)
            for item in items
        ]
        if referring:
            form.say(image, name, ids)
    if not referring:
        form.absent(image, [name for name in asked if not found.get(name)])
