"""HumanRef: expressions for any number of people in a picture, and for none.

https://github.com/IDEA-Research/RexSeek (tools/visualize_humanref.py, metric/recall_precision_densityf1.py),
https://huggingface.co/datasets/IDEA-Research/HumanRef (annotations.jsonl)
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm, numbers
from pe.shards.imports._find import one_file, pictures_of
from pe.shards.imports._records import record
from pe.shards.imports._rows import rows_of

__all__ = ["humanref"]

_Place = tuple[str, tuple[int, ...]]


def humanref(source: Path, pictures: str, split: str) -> Layout:
    """`source` is annotations.jsonl, or its folder; `split` a domain (attribute, position, ..., rejection).

    Every person of `candidate_boxes` is an object; `referring` is an expression for those of `answer_boxes`, whose
    masks are `answer_segmentations`, in the same order. Nothing is known to be absent but what is rejected.
    """
    path = one_file(source, ("annotations.jsonl", "*.jsonl"), "HumanRef annotations (annotations.jsonl)")
    form = CocoForm(path)
    rows = [(number, row) for number, row in rows_of(path) if not split or row.get("domain") == split]
    masks: dict[_Place, dict[str, Any]] = {}
    people: dict[_Place, int] = {}
    # A person is a candidate in one row and an answer, with a mask, in another.
    for take in (partial(_masks, masks=masks), partial(_say, form=form, masks=masks, people=people)):
        for number, row in rows:
            with record(f"{path}:{number}"):
                take(row)
    if not rows:
        raise InputError(f"{path}: no rows of domain {split}")
    return form.layout(pictures_of(path, pictures))


def _masks(row: dict[str, Any], masks: dict[_Place, dict[str, Any]]) -> None:
    boxes, found = row["answer_boxes"], row.get("answer_segmentations") or []
    if found and len(found) != len(boxes):
        raise ValueError(f"{len(boxes)} boxes and {len(found)} masks")
    for box, mask in zip(boxes, found, strict=False):
        masks.setdefault(_place(row, box), mask)


def _say(row: dict[str, Any], form: CocoForm, masks: dict[_Place, dict[str, Any]], people: dict[_Place, int]) -> None:
    image = form.image(row["image_name"])
    for box in [*row["candidate_boxes"], *row["answer_boxes"]]:
        place = _place(row, box)
        if place not in people:
            people[place] = form.add(image, "person", box, masks.get(place))
    form.say(image, row["referring"], [people[_place(row, box)] for box in row["answer_boxes"]])


def _place(row: dict[str, Any], box: Any) -> _Place:
    """Where a person is, to the pixel: the boxes of one person in two lists may differ in their digits."""
    return str(row["image_name"]), tuple(round(value) for value in numbers(box))
