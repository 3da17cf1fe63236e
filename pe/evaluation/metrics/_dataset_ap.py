"""COCO's average precision over all pictures, whatever the overlap is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from pe.evaluation.case import Case
from pe.evaluation.metrics._average_precision import MOST, THRESHOLDS, interpolated
from pe.evaluation.metrics._base import Metric, Numbers, Totals
from pe.geometry.matching import Overlaps, greedy

RANGES = {"": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
"""COCO's sizes, in square pixels of the stored image."""

_CELLS = 2_000_000


class _Kept(NamedTuple):
    """One label of one response: `scores` (n,) best first, `hits` (sizes, thresholds, n), `truths` (sizes,)."""

    label: str
    scores: Numbers
    hits: npt.NDArray[np.int8]
    truths: Numbers


class DatasetAp(Metric):
    """Keeps of every response and label which answers hit; the mean over labels that any picture has, as COCOeval.

    In equal scores the row that stands first comes first. A subclass may change what is compared (`_prepare`)
    and what is not judged (`_without`).
    """

    source: ClassVar[str] = "COCO (Lin et al. 2014), pycocotools COCOeval"
    figures: ClassVar[tuple[str, ...]] = ("AP", "AP50", "AP75", "APs", "APm", "APl")
    most: ClassVar[int] = 200
    sizes: ClassVar[tuple[str, ...]] = tuple(RANGES)
    answers: ClassVar[int] = MOST

    def __init__(self) -> None:
        self._kept: list[list[_Kept]] = []

    def add(self, case: Case) -> int:
        """See Metric."""
        case, overlaps = self._prepare(case)
        mine, true = case.areas
        without = self._without(case)
        found, there = np.array(case.found, object), np.array(case.there, object)
        kept = []
        for label in dict.fromkeys([*case.there, *case.found]):
            rows, columns = np.flatnonzero(found == label), np.flatnonzero(there == label)
            rows = rows[np.argsort(-case.scores[rows], kind="stable")][: self.answers]
            hits = np.zeros((len(self.sizes), len(THRESHOLDS), len(rows)), np.int8)
            truths = np.zeros(len(self.sizes))
            for index, size in enumerate(self.sizes):
                low, high = RANGES[size]
                ignored = without[columns] | (true[columns] < low) | (true[columns] > high)
                pairs = greedy(overlaps[np.ix_(rows, columns)], case.scores[rows], THRESHOLDS, None, ignored)
                outside = (mine[rows] < low) | (mine[rows] > high)
                hits[index] = np.where(
                    pairs < 0, np.where(outside, -1, 0), np.where(np.append(ignored, False)[pairs], -1, 1)
                )
                truths[index] = len(columns) - int(ignored.sum())
            kept.append(_Kept(label, case.scores[rows], hits, truths))
        self._kept.append(kept)
        return len(self._kept) - 1

    def _prepare(self, case: Case) -> tuple[Case, Overlaps]:
        """The case as it is judged, and the (N, M) overlaps of its objects."""
        return case, case.overlaps

    def _without(self, case: Case) -> npt.NDArray[np.bool_]:
        """(M,) truths that cost nothing, found or not."""
        return np.zeros(len(case.truth.objects), np.bool_)

    def totals(self, rows: npt.NDArray[np.int64], images: npt.NDArray[np.int64], shares: Numbers) -> Totals:
        """See Metric."""
        labels: dict[str, list[tuple[int, _Kept]]] = defaultdict(list)
        for place, row in enumerate(rows.tolist()):
            for kept in self._kept[row]:
                labels[kept.label].append((place, kept))
        ready = [found for kept in labels.values() if (found := _Label.of(kept)) is not None]

        def total(weights: Numbers) -> Mapping[str, Numbers]:
            if not ready:
                return {figure: np.full(len(weights), np.nan) for figure in self.figures}
            each = np.stack([label.values(weights, images, shares) for label in ready], axis=3)
            values = {f"AP{size}": _mean(each[index]) for index, size in enumerate(self.sizes)}
            every = each[self.sizes.index("")]
            values |= {"AP50": _mean(every[:, :1]), "AP75": _mean(every[:, 5:6])}
            return {figure: values[figure] for figure in self.figures}

        return total


class _Label(NamedTuple):
    """One label of all pictures: `hits` (sizes, thresholds, D) of its answers, best first, and where each is from."""

    hits: npt.NDArray[np.int8]
    answered: npt.NDArray[np.int64]
    truths: Numbers
    asked: npt.NDArray[np.int64]

    @staticmethod
    def of(kept: list[tuple[int, _Kept]]) -> _Label | None:
        truths = np.array([item.truths for _, item in kept])
        if not truths.any():
            return None
        scores = np.concatenate([item.scores for _, item in kept])
        order = np.argsort(-scores, kind="stable")
        places = np.array([place for place, _ in kept], np.int64)
        answered = np.repeat(places, [len(item.scores) for _, item in kept])
        hits = np.concatenate([item.hits for _, item in kept], axis=2)
        return _Label(hits[:, :, order], answered[order], truths, places)

    def values(self, weights: Numbers, images: npt.NDArray[np.int64], shares: Numbers) -> Numbers:
        """(sizes, B, thresholds) average precision; NaN where no picture that counts has a truth of that size."""
        sizes, thresholds, answers = self.hits.shape
        found = np.full((sizes, len(weights), thresholds), np.nan)
        block = max(1, _CELLS // max(1, thresholds * answers))
        for start in range(0, len(weights), block):
            some = weights[start : start + block]
            truths = (some[:, images[self.asked]] * shares[self.asked]) @ self.truths
            counted = some[:, images[self.answered]] * shares[self.answered]
            for size in range(sizes):
                found[size, start : start + block] = interpolated(self.hits[size], counted, truths[:, size])
        return found


def _mean(values: Numbers) -> Numbers:
    """(B,) means over all but the first axis, of what is a number."""
    flat = values.reshape(len(values), -1)
    known = ~np.isnan(flat)
    count = known.sum(axis=1)
    total = np.where(known, flat, 0.0).sum(axis=1)
    means: Numbers = np.divide(total, count, out=np.full(len(flat), np.nan), where=count > 0)
    return means
