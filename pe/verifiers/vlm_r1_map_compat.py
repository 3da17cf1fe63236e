"""VLM-R1's `map` as its code computes it, from the response's own text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pe.formats import Decoded
from pe.geometry.boxes import iou
from pe.verifiers._average_precision import coco_average_precision
from pe.verifiers._base import Call
from pe.verifiers._truth import Target, Truth
from pe.verifiers.average_precision import AveragePrecisionParameters, AveragePrecisionVerifier

__all__ = ["VlmR1MapCompatVerifier"]

_FAR = 1e12


class VlmR1MapCompatParameters(AveragePrecisionParameters):
    """Those of `average-precision`; [0.5] is the mAP 50 that od_ap50 takes."""

    format: str = "vlm-r1-compat"


class VlmR1MapCompatVerifier(AveragePrecisionVerifier):
    """om-ai-lab/VLM-R1@90052f4, grpo_jsonl.py, accu_reward_method "map": COCO's AP with all scores 1.

    Only the last ```json fence is read, coordinates as they stand and labels to the letter. Nothing in both is 1.
    """

    Parameters = VlmR1MapCompatParameters
    formula = "COCO's AP with all scores 1 of the last ```json fences; both empty 1, one empty 0"
    source = "om-ai-lab/VLM-R1@90052f4 grpo_jsonl.py map_reward"

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier: the rows of the gold text, or of a truth in JSON, in pixels of the model's input."""
        return self._rows(truth.written) if truth.written else rows_of(truth.objects, call)

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        return {"accuracy": self._map(fenced(call.response), truth)}

    def _map(self, answer: list[Any], truth: list[Any]) -> float:
        if not answer or not truth:
            return 1.0 if not answer and not truth else 0.0
        known: dict[str, int] = {}
        truths = [known.setdefault(row["label"], len(known)) for row in truth]
        boxes, ids = [], []
        for row in answer:
            box = _box(row)
            # COCO neither counts an answer of negative area nor one whose label it does not know
            if box is not None and row["label"] in known and (box[2] - box[0]) * (box[3] - box[1]) >= 0:
                boxes.append(box)
                ids.append(known[row["label"]])
        if not boxes:
            return 0.0
        matrix = iou(boxes, [row["bbox_2d"][:4] for row in truth])
        matrix[np.array(ids)[:, None] != np.array(truths)] = 0.0
        return coco_average_precision(matrix, [1.0] * len(ids), ids, truths, self.parameters.thresholds)

    @staticmethod
    def _rows(text: str) -> list[Any]:
        """The rows of the gold `text`, which has to be sound. Raises ValueError."""
        rows = fenced(text, strict=True)
        for row in rows:
            box = _box(row)
            if box is None or not (box[2] - box[0]) * (box[3] - box[1]) >= 0:
                raise ValueError(f"{str(row)[:80]} is no box with a label")
        return rows


def between(text: str, start: str, end: str) -> list[str]:
    """What stands between every `start` and the next `end`, in order; linear in the text's length."""
    found = []
    position = text.find(start)
    while position >= 0 and (stop := text.find(end, position + len(start))) >= 0:
        found.append(text[position + len(start) : stop])
        position = text.find(start, stop + len(end))
    return found


def fenced(text: str, which: int = -1, strict: bool = False) -> list[Any]:
    """The items of the JSON in the last (or first: 0) ```json fence; none where there is none, or, unless `strict`,
    where it is no JSON."""
    found = between(text, "```json", "```")
    if not found or not found[which].strip():
        return []
    try:
        return list(json.loads(found[which].strip()))
    except (ValueError, TypeError, RecursionError):
        if strict:
            raise ValueError(f"the gold text holds no JSON: {found[which].strip()[:80]!r}") from None
        return []


def rows_of(objects: tuple[Target, ...], call: Call) -> list[Any]:
    """A truth in JSON as VLM-R1's rows, in pixels of the model's input where its size is known."""
    wide, high = call.input_size or call.image
    scale = (wide / call.image[0], high / call.image[1]) * 2
    rows = []
    for item in objects:
        if item.bbox is None:
            raise ValueError(f"{item.phrase or 'an object'} has no box")
        rows.append({"bbox_2d": [v * s for v, s in zip(item.bbox, scale, strict=True)], "label": item.phrase})
    return rows


def _box(row: Any) -> list[float] | None:
    """The four numbers of a row with a label; None where the original would pass over it."""
    box = row.get("bbox_2d") if isinstance(row, dict) and isinstance(row.get("label"), str) else None
    if not isinstance(box, list) or len(box) < 4 or not all(isinstance(v, int | float) for v in box[:4]):
        return None
    return [float(v) for v in box[:4]] if all(-_FAR < v < _FAR for v in box[:4]) else None
