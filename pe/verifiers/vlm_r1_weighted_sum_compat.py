"""VLM-R1's `weighted_sum` as its code computes it, from the response's own text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pe.formats import Decoded
from pe.geometry.matching import greedy_best_pair
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._truth import Truth
from pe.verifiers.vlm_r1_map_compat import between, fenced, rows_of

__all__ = ["VlmR1WeightedSumCompatVerifier"]

_BREAKS = tuple((re.compile(rf"(?<=\s){mark}"), re.compile(rf"(?<!\s){mark}")) for mark in ("\n", "\r"))
_THRESHOLD, _POSITION, _COMPLETENESS = 0.5, 0.7, 0.3


class VlmR1WeightedSumCompatParameters(Parameters):
    """None of its own: the weights are VLM-R1's."""

    format: str = "vlm-r1-compat"


class VlmR1WeightedSumCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, accu_reward_method "weighted_sum": the text is cleaned, then detection_score.

    Text is lower-cased, its line breaks and last full stops go, of several <answer> the last counts and none is needed.
    Its IoU takes pixels off one side, so that boxes that share one row or column of pixels do not overlap. A pair of
    different labels is a pair of IoU 0. A box without a label passes for one of the pair's before it.
    """

    Parameters = VlmR1WeightedSumCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    shapes = ("bbox",)
    formula = "0.7 * sum(IoU of pairs)/n_truth + 0.3 * (1 - (missed + wrong)/2); pairs greedy by IoU >= 0.5, any label"
    source = "om-ai-lab/VLM-R1@90052f4 grpo_jsonl.py detection_score"

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier: the gold's rows, or None for "None"."""
        if not truth.written:
            return rows_of(truth.objects, call) or None
        text = _clean(_clean(truth.written))
        return None if text == "none" else fenced(text, which=0, strict=True)

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        text = _clean(call.response)
        if truth is None:
            return {"accuracy": float(text == "none")}
        return {"accuracy": _score(fenced(_clean(text), which=0), truth)}


def _score(answer: list[Any], truth: list[Any]) -> float:
    if not answer or not truth:
        return 1.0 if not answer and not truth else 0.0
    matrix = _overlaps([_box(row) for row in answer], [_box(row) for row in truth])
    pairs = greedy_best_pair(matrix, _THRESHOLD)
    total, name = 0.0, None
    for row, column in pairs:
        # a box without a label keeps the one of the pair before; for a first pair the original fails
        name = _label(answer[row]) or name
        if name is None:
            return 0.0
        total += float(matrix[row, column]) if name[0] == (_label(truth[column]) or ("",))[0] else 0.0
    position = total / len(truth)
    missed = (len(truth) - len(pairs)) / len(truth) + (len(answer) - len(pairs)) / len(answer)
    return (_POSITION * position + _COMPLETENESS * (1 - missed / 2)) / (_POSITION + _COMPLETENESS)


def _overlaps(answer: list[list[float]], truth: list[list[float]]) -> npt.NDArray[np.float64]:
    """VLM-R1's IoU: the far edges are pixels that belong to the box, and one pixel of overlap is none."""
    a, b = np.array(answer, np.float64)[:, None], np.array(truth, np.float64)[None]
    with np.errstate(all="ignore"):
        low = np.maximum(a[..., :2], b[..., :2])
        high = np.minimum(a[..., 2:] - 1, b[..., 2:] - 1)
        common = np.where((low < high).all(axis=2), np.prod(high - low + 1, axis=2), 0.0)
        ratio = common / (np.prod(a[..., 2:] - a[..., :2], axis=2) + np.prod(b[..., 2:] - b[..., :2], axis=2) - common)
    return np.asarray(np.nan_to_num(ratio, nan=0.0, posinf=0.0, neginf=0.0))


def _box(row: Any) -> list[float]:
    """The box of a row; what is none overlaps with nothing."""
    box = row.get("bbox_2d") if isinstance(row, dict) else None
    if isinstance(box, list) and len(box) >= 4 and all(isinstance(v, int | float) and abs(v) < 1e12 for v in box[:4]):
        return [float(v) for v in box[:4]]
    return [0.0, 0.0, 0.0, 0.0]


def _label(row: Any) -> tuple[str] | None:
    """The label in lower case, or None where it is no text."""
    name = row.get("label") if isinstance(row, dict) else None
    return (name.lower(),) if isinstance(name, str) else None


def _clean(text: str) -> str:
    answers = between(text, "<answer>", "</answer>")
    text = answers[-1] if answers else text
    for after_space, alone in _BREAKS:
        text = alone.sub(" ", after_space.sub("", text))
    return text.strip().rstrip(".").lower()
