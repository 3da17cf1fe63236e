"""V-Triune's detection reward as its code computes it, from the response's own text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pe.formats import Decoded
from pe.formats.v_triune import VTriune
from pe.geometry.boxes import iou
from pe.geometry.matching import Overlaps, greedy_by_column
from pe.verifiers._average_precision import coco_average_precision
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._schedule import Schedule, Thresholds
from pe.verifiers._truth import Truth
from pe.verifiers.v_triune_detection import MAPS, PENALTY, SCORES

__all__ = ["VTriuneDetectionCompatVerifier"]

AVERAGE = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)
"""The thresholds that DET_IOU_THRESHOLD=average takes the mean over."""

Rows = list[tuple[list[Any], str]]
Pairs = list[tuple[int, int, float]]


class VTriuneDetectionCompatParameters(Parameters):
    """`det_reward_ratio`: a row's own; what it lacks, or is not in 0..1, is 0. The weight of completeness, and those of
    the five scores: iou_max_label_first, iou_max_iou_first, map, map50, map75.

    `threshold`: DET_IOU_THRESHOLD; "v-triune" is its dynamic. `normalized`: det_verifier_normalized, the answer is in
    pixels of the model's input and the truth in 0..1000.
    """

    format: str = "v-triune-compat"
    also: dict[str, dict[str, Any]] = Field(default={})
    det_reward_ratio: dict[str, float | None] = Field(default={"iou_max_label_first": 1.0, "iou_completeness": 0.3})
    threshold: Thresholds = Schedule(mean=AVERAGE)
    normalized: bool = True

    def ratio(self, name: str) -> float:
        """The ratio called `name`."""
        value = self.det_reward_ratio.get(name) or 0.0
        return value if 0 <= value <= 1 else 0.0


@dataclass(frozen=True)
class _Gold:
    rows: Rows
    size: tuple[int, int]


class VTriuneDetectionCompatVerifier(Verifier):
    """MiniMax-AI/One-RL-to-See-Them-All@39bcf0d, reward_server/verify.py, DetectionVerifier.

    Boxes are read from the first answer tag and once per position, whatever their labels; an empty list on either side
    is 0. A size penalty of 0.6 for every box too many or too few. `iou_max_iou_first` keeps its bug: each step takes
    the largest IoU that is left and books it to the last boxes that are left. Weigh accuracy 1 and format 0.1 for its
    final reward.
    """

    Parameters = VTriuneDetectionCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("bbox",)
    components = ("accuracy", "format")
    formula = "sum(ratio * score)/sum(ratio) * 0.6^|n_answer - n_truth|; score (1-c)*meanIoU + c*completeness, or a mAP"
    source = "MiniMax-AI/One-RL-to-See-Them-All@39bcf0d reward_server (arXiv 2505.18129)"

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier."""
        size = call.input_size or VTriune().input_size(call.image)
        if truth.written:
            return _Gold(_rows(_first_answer(truth.written)), size)
        objects = []
        for item in truth.objects:
            if item.bbox is None:
                raise ValueError(f"{item.phrase or 'an object'} has no box")
            objects.append((list(item.bbox), item.phrase.lower()))
        sides = call.image if self.parameters.normalized else (1000, 1000)
        return _Gold(_unique(_thousandths(objects, sides)), size)

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        text = call.response
        rows = _rows(_first_answer(text.strip()))
        tagged = "\n<answer>\n" in text and text.count("\n</answer>") == 1
        form = 1.0 if tagged and rows else 0.0
        if not rows or not truth.rows:
            return {"accuracy": 0.0, "format": form}
        try:
            answers = _thousandths(rows, truth.size) if self.parameters.normalized else rows
            return {"format": form, **self._compare(answers, truth.rows, call.progress)}
        except OverflowError:  # an endless number: V-Triune's server reports 0 for both
            return {"accuracy": 0.0, "format": 0.0}

    def stages(self) -> tuple[float, ...]:
        """See Verifier."""
        stages: tuple[float, ...] = self.parameters.threshold.stages()
        return stages

    def _compare(self, answer: Rows, truth: Rows, progress: float) -> dict[str, float]:
        ratio = self.parameters.ratio
        blind = iou([box for box, _ in answer], [box for box, _ in truth])
        names: dict[str, int] = {}
        truths = [names.setdefault(name, len(names)) for _, name in truth]
        ids = [names.setdefault(name, len(names)) for _, name in answer]
        alike = np.array(ids)[:, None] == np.array(truths)
        matrix = np.where(alike, blind, 0.0)
        penalty = PENALTY ** abs(len(answer) - len(truth))
        total = weights = 0.0
        metrics = {"size_penalty": penalty}
        for name in SCORES:
            weight = ratio(name)
            if weight:
                if name in MAPS:
                    value = coco_average_precision(matrix, [1.0] * len(ids), ids, truths, MAPS[name])
                else:
                    limits = self.parameters.threshold.at(progress)
                    pairs = [
                        _last_pairs(blind, limit) if name == "iou_max_iou_first" else _own_pairs(matrix, limit)
                        for limit in limits
                    ]
                    value = sum(_weighed(some, alike, ratio("iou_completeness")) for some in pairs) / len(limits)
                metrics[name] = value
                total += weight * value * penalty
                weights += weight
        return {"accuracy": total / weights if weights else 0.0, **metrics}


def _own_pairs(matrix: Overlaps, threshold: float) -> Pairs:
    """label_first: every truth takes the best answer of its label that is left."""
    return [(row, column, float(matrix[row, column])) for row, column in greedy_by_column(matrix, threshold)]


def _last_pairs(matrix: Overlaps, threshold: float) -> Pairs:
    """iou_first as released: the largest IoU among the first n answers and m truths is booked to the n-th and m-th."""
    largest = np.maximum.accumulate(np.maximum.accumulate(matrix, axis=0), axis=1)
    pairs = []
    row, column = matrix.shape[0] - 1, matrix.shape[1] - 1
    while row >= 0 and column >= 0 and largest[row, column] >= threshold:
        pairs.append((row, column, float(largest[row, column])))
        row, column = row - 1, column - 1
    return pairs


def _weighed(pairs: Pairs, alike: Any, weight: float) -> float:
    answers, truths = alike.shape
    mean = sum(value for row, column, value in pairs if alike[row, column]) / truths
    missed = (truths - len(pairs)) / truths + (answers - len(pairs)) / answers
    return float(mean * (1 - weight) + (1 - missed / 2) * weight)


def _first_answer(text: str) -> str:
    start = text.find("<answer>")
    end = text.find("</answer>", start + len("<answer>")) if start >= 0 else -1
    return text[start + len("<answer>") : end].strip().lower() if end >= 0 else ""


def _rows(text: str) -> Rows:
    """The boxes of V-Triune's list, each position once: valid JSON after its repairs of quotes and ends, or nothing."""
    text = text.replace("[[", "[").replace("]]", "]")
    if not text.endswith("]"):
        text = text.rsplit("},", 1)[0] + "}]"
    try:
        values = json.loads(text.replace("'", '"').replace("\\", ""))
    except (ValueError, RecursionError):
        return []
    return _unique((item["bbox_2d"], item["label"]) for item in values if _sound(item)) if type(values) is list else []


def _sound(item: Any) -> bool:
    box = item.get("bbox_2d") if isinstance(item, dict) else None
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) for value in box)
        and box[0] <= box[2]
        and box[1] <= box[3]
        and isinstance(item.get("label"), str)
    )


def _unique(rows: Any) -> Rows:
    seen: dict[tuple[Any, ...], tuple[list[Any], str]] = {}
    for box, name in rows:
        seen.setdefault(tuple(box), (box, name))
    return list(seen.values())


def _thousandths(rows: Rows, size: tuple[int, int]) -> Rows:
    wide, high = size
    return [
        ([int(value / side * 1000.0) for value, side in zip(box, (wide, high, wide, high), strict=True)], name)
        for box, name in rows
    ]
