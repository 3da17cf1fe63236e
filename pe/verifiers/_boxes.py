"""Labelled boxes: a truth made ready once, and how far an answer's boxes overlap with it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pe.formats import Decoded
from pe.geometry.boxes import area, iou
from pe.geometry.matching import Overlaps, hungarian, most_pairs
from pe.registry import load
from pe.verifiers._base import Call, Verifier
from pe.verifiers._labels import label
from pe.verifiers._policy import is_unread, silence
from pe.verifiers._truth import Truth

Ids = npt.NDArray[np.int64]

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class BoxTruth:
    """The boxes of a truth: (M, 4) pixels, (M,) ids of their labels, and the id of every label, from 0."""

    boxes: npt.NDArray[np.float64]
    ids: Ids
    known: Mapping[str, int]


def read_boxes(truth: Truth) -> BoxTruth:
    """`truth` for `overlaps`. Raises ValueError for an object without a box and for a box without an area."""
    boxes = np.array([item.bbox or _NOWHERE for item in truth.objects], np.float64).reshape(-1, 4)
    for item, size in zip(truth.objects, area(boxes).tolist(), strict=True):
        if not size > 0:
            raise ValueError(f"{item.phrase or 'an object'} has no box with an area (it says {item.bbox})")
    known: dict[str, int] = {}
    ids = [known.setdefault(label(item.phrase), len(known)) for item in truth.objects]
    return BoxTruth(boxes, np.array(ids, np.int64), known)


def check_gold(gold: Decoded, form: str) -> None:
    """Raise ValueError for a gold text that holds no answer in its format, which is not the same as an empty truth."""
    if is_unread(gold):
        raise ValueError(f"the gold text cannot be read as {form}")


def label_ids(answer: Decoded, truth: BoxTruth) -> Ids:
    """(N,) the label of each object of `answer` by the truth's ids; labels that the truth has not get the next ones.

    A truth without a phrase asks for none: it takes every label that no other truth has.
    """
    known, unnamed = truth.known, truth.known.get("", -1)
    other: dict[str, int] = {}
    ids = []
    for item in answer.objects:
        name = label(item.phrase)
        found = known.get(name, unnamed)
        ids.append(found if found >= 0 else other.setdefault(name, len(known) + len(other)))
    return np.array(ids, np.int64)


def overlaps(answer: Decoded, truth: BoxTruth, ids: Ids | None = None) -> Overlaps:
    """(N, M) IoU of the objects of `answer` with those of `truth`; 0 where `ids`, their labels, differ.

    An object that is no box overlaps with none. Without `ids` labels do not count.
    """
    matrix = iou(np.array([item.bbox or _NOWHERE for item in answer.objects], np.float64), truth.boxes)
    if ids is not None and (len(truth.known) > 1 or ids.any()):
        matrix[ids[:, None] != truth.ids] = 0.0
    return matrix


def f1(hits: float, answered: int, truths: int) -> float:
    """2PR / (P + R) for `hits` (or a sum of partial ones) of `answered` objects against `truths`."""
    return 2 * hits / (answered + truths)


def count_hits(matrix: Overlaps, threshold: float) -> int:
    """How many one-to-one pairs of IoU `threshold` and more there can be at most; none without any overlap."""
    return len(most_pairs(matrix, threshold))


def complete(matrix: Overlaps, threshold: float, weight: float) -> float:
    """(1 - weight) * mean IoU + weight * completeness at `threshold`, under the pairing that makes it the largest.

    `matrix` is (N, M), both at least 1. Mean IoU is over the M truths; completeness is 1 minus the mean of the share of
    truths and the share of answers that are in no pair.
    """
    answered, truths = matrix.shape
    share = (1 / truths + 1 / answered) / 2
    fits = (matrix >= threshold) & (matrix > 0)
    pairs = hungarian(np.where(fits, matrix * ((1 - weight) / truths) + weight * share, 0.0), 0.0)
    mean = sum(float(matrix[pair]) for pair in pairs) / truths
    missed = ((truths - len(pairs)) / truths + (answered - len(pairs)) / answered) / 2
    return float(mean + weight * (1 - missed - mean))


class BoxVerifier(Verifier):
    """Compares labelled boxes; a subclass has `_compare` for answers and truths that both hold objects."""

    shapes = ("bbox",)

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier: a BoxTruth."""
        if truth.written and not truth.objects:
            form = self.parameters.format
            check_gold(load("formats", form)().decode(truth.written, call.image, call.input_size), form)
        return read_boxes(truth)

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        value = silence(answer, len(truth.ids))
        return {"accuracy": self._compare(answer, truth, call) if value is None else value}

    @abstractmethod
    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float: ...
