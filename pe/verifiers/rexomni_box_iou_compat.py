"""Rex-Omni's box_iou reward as its code computes it, from the response's own text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pe.formats import Decoded
from pe.geometry.boxes import iou
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._rexomni import read_runs
from pe.verifiers._truth import Truth

__all__ = ["RexomniBoxIouCompatVerifier"]

_FAR = 10**9


class RexomniBoxIouCompatParameters(Parameters):
    """None of its own."""

    format: str = "rexomni-compat"


@dataclass(frozen=True)
class _Labelled:
    boxes: npt.NDArray[np.float64]
    labels: list[str]
    size: tuple[float, float]


class RexomniBoxIouCompatVerifier(Verifier):
    """IDEA-Research/Rex-Omni@478e44f, finetuning/verl/configs/reward_func.py, box_iou.

    Bins are read as thousandths though they were written as 999ths, white space around "<", ">" and "/" does not count,
    corners are put in order, boxes without area dropped, labels compared to the letter. Every truth and every answer
    takes its best counterpart, so duplicates are free; nothing read is right where nothing is there.
    """

    Parameters = RexomniBoxIouCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("bbox",)
    formula = "2PR/(P+R), R = mean over truths of the best IoU of its label, P = mean over answers of theirs"
    source = "IDEA-Research/Rex-Omni@478e44f reward_func.py (arXiv 2510.12798)"

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier; a gold text is Rex-Omni's {"answer": {LABEL: {"boxes": []}}, "resized_image_size": []}."""
        if truth.written:
            return _read_gold(truth.written)
        if any(item.bbox is None for item in truth.objects):
            raise ValueError("an object of the truth has no box")
        boxes = np.array([item.bbox for item in truth.objects], np.float64).reshape(-1, 4)
        return _Labelled(boxes, [item.phrase for item in truth.objects], call.image)

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        found = _read(call.response, truth.size)
        if not found.labels or not truth.labels:
            return {"accuracy": float(not found.labels and not truth.labels)}
        names = {name: index for index, name in enumerate(dict.fromkeys(truth.labels))}
        ids = np.array([names.get(name, -1) for name in found.labels])
        matrix = iou(found.boxes, truth.boxes)
        matrix[ids[:, None] != np.array([names[name] for name in truth.labels])] = 0.0
        precision, recall = float(matrix.max(axis=1).mean()), float(matrix.max(axis=0).mean())
        total = precision + recall
        return {"accuracy": 2 * precision * recall / total if total else 0.0}


def _read_gold(text: str) -> _Labelled:
    """Rex-Omni's own table. Raises ValueError for anything else."""
    try:
        table = json.loads(text)
        wide, high = table["resized_image_size"]
        rows = [(box, name) for name, kind in table["answer"].items() for box in kind.get("boxes", ())]
        boxes = np.array([box for box, _ in rows], np.float64).reshape(-1, 4)
        return _Labelled(boxes, [name for _, name in rows], (float(wide), float(high)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("it is neither objects in JSON nor Rex-Omni's table of boxes") from None


def _read(text: str, size: tuple[float, float]) -> _Labelled:
    """The boxes of the response that have an area, their corners in order."""
    runs = read_runs(text, 4)
    bins = np.array([[float(min(number, _FAR)) for number in numbers] for _, numbers in runs], np.float64)
    pixels = bins.reshape(-1, 4) / 1000.0 * np.array([*size, *size])
    low, high = np.minimum(pixels[:, :2], pixels[:, 2:]), np.maximum(pixels[:, :2], pixels[:, 2:])
    whole = (low < high).all(axis=1)
    labels = [phrase for (phrase, _), good in zip(runs, whole.tolist(), strict=True) if good]
    return _Labelled(np.concatenate([low, high], axis=1)[whole], labels, size)
