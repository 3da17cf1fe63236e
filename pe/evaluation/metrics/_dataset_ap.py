"""COCO's average precision over all pictures, whatever the overlap is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pe.evaluation.case import Case
from pe.evaluation.metrics._ap_lists import DRAWS, Block, Kept, alike, lists_of
from pe.evaluation.metrics._average_precision import MOST, THRESHOLDS, interpolated
from pe.evaluation.metrics._base import Metric, Numbers, Totals
from pe.geometry.matching import Overlaps, greedy

RANGES = {"": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
"""COCO's sizes, in square pixels of the stored image."""


class DatasetAp(Metric):
    """Keeps of every response and label which answers hit; the mean over labels that any picture has, as COCOeval.

    In equal scores the row that stands first comes first. A subclass may change what is compared (`_prepare`)
    and what is not judged (`_without`).
    """

    source: ClassVar[str] = "COCO (Lin et al. 2014), pycocotools COCOeval"
    figures: ClassVar[tuple[str, ...]] = ("AP", "AP50", "AP75", "APs", "APm", "APl")
    most: ClassVar[int] = 200
    centred = True
    sizes: ClassVar[tuple[str, ...]] = tuple(RANGES)
    answers: ClassVar[int] = MOST

    def __init__(self) -> None:
        self._kept: list[list[Kept]] = []

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
            kept.append(Kept(label, case.scores[rows], hits, truths))
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
        labels: dict[str, list[tuple[int, Kept]]] = defaultdict(list)
        for place, row in enumerate(rows.tolist()):
            for kept in self._kept[row]:
                labels[kept.label].append((place, kept))
        lists = [one for some in labels.values() for one in lists_of(some, len(rows))]
        blocks = [Block.of(some, len(rows)) for some in alike(lists)]

        def total(weights: Numbers) -> Mapping[str, Numbers]:
            starts = range(0, len(weights), DRAWS)
            parts = [self._means(weights[start : start + DRAWS], blocks, images, shares) for start in starts]
            return {figure: np.concatenate([part[figure] for part in parts]) for figure in self.figures}

        return total

    def _means(
        self, weights: Numbers, blocks: list[Block], images: npt.NDArray[np.int64], shares: Numbers
    ) -> Mapping[str, Numbers]:
        """Figures of (B, I) weights: means over the labels that have a truth of a size, and over thresholds."""
        counted = np.append(weights[:, images] * shares, np.zeros((len(weights), 1)), axis=1)
        sums = np.zeros((len(self.sizes), len(weights), len(THRESHOLDS)))
        known = np.zeros_like(sums)
        for block in blocks:
            values = interpolated(block.hits, counted[:, block.answered], counted[:, :-1] @ block.truths)
            there = ~np.isnan(values)
            values[~there] = 0.0
            for size in range(len(self.sizes)):
                chosen = block.sizes == size
                sums[size] += values[:, chosen].sum(axis=1)
                known[size] += there[:, chosen].sum(axis=1)
        each = np.divide(sums, known, out=np.full_like(sums, np.nan), where=known > 0)
        every = each[self.sizes.index("")]
        means = {f"AP{size}": each[index].mean(axis=1) for index, size in enumerate(self.sizes)}
        return means | {"AP50": every[:, 0], "AP75": every[:, 5]}
