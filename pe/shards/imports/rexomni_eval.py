"""Rex-Omni's evaluation sets (Dense200, COCO, LVIS, VisDrone, HumanRef, RefCOCOg, DocLayNet ...) as JSON lines.

https://github.com/IDEA-Research/Rex-Omni (evaluation/README.md, inference_text_prompt.py, metrics/other_metric.py),
https://huggingface.co/datasets/Mountchicken/Rex-Omni-EvalData
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm
from pe.shards.imports._find import one_file
from pe.shards.imports._rows import rows_of

__all__ = ["rexomni_eval"]


def rexomni_eval(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a file of `box_eval` (boxes x0, y0, x1, y1 by category) or of `point_eval` (masks by category);
    `pictures` the folder that the archives were unpacked in.

    The name of a referring row is an expression, not a category. A category that is asked for and has nothing in `gt`
    is absent. Rows of text in polygons, of GUI and of key points are refused.
    """
    path = one_file(source, ("*.jsonl",), "JSON lines of Rex-Omni's evaluation")
    form = CocoForm(path)
    for number, row in rows_of(path):
        try:
            _take(form, row)
        except (KeyError, TypeError, ValueError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise InputError(f"{path}:{number}: {why}") from None
    # The archives lie beside the folder of annotations: _annotations/box_eval/NAME.jsonl.
    home = next((folder.parent for folder in path.parents if folder.name.endswith("annotations")), path.parent)
    return form.layout(pictures or str(home))


def _take(form: CocoForm, row: dict[str, Any]) -> None:
    truth = row["gt"]
    if not isinstance(truth, dict):
        raise ValueError(f"only rows with a dict of boxes or masks are taken; this one is {row.get('task_name')!r}")
    referring = "referring" in str(row.get("task_name"))
    masks = truth.get("gt_mask")
    image = form.image(row["image_path"])
    for name, found in (masks or truth).items():
        ids = []
        for item in found:
            if masks is not None:
                ids.append(form.add(image, "object" if referring else name, None, item))
            else:
                ids.append(form.add(image, "object" if referring else name, item))
        if referring:
            form.say(image, name, ids)
    if not referring:
        form.absent(image, [name for name in row["categories"] if not (masks or truth).get(name)])
