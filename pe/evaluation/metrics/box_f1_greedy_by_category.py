"""Boxes: precision and recall of each label, averaged over the labels, and their F1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import IOUS, Metric, Numbers, Totals, harmonic
from pe.geometry.matching import greedy

__all__ = ["BoxF1GreedyByCategory"]

_WIDTH = len(IOUS) + 2
_CELLS = 4_000_000


class BoxF1GreedyByCategory(Metric):
    """R and P of a label are over all pictures; their means over the labels with a truth give F1 at each IoU.

    A label without any answer has a precision of 0. Rex-Omni's own code for COCO and LVIS leaves values of 0 out of
    the means, which rewards labels that are never named; that is not done here.
    """

    rule = "boxes of one label, best score first, each takes the best free truth; R and P averaged over labels, then F1"
    source: ClassVar[str] = "Rex-Omni (arXiv 2510.12798), COCO and LVIS"
    kinds: ClassVar[tuple[Kind, ...]] = ("boxes",)
    centred = True
    figures = ("precision@.50", "recall@.50", "F1@.50", "F1@.95", "F1@mean")

    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._kept: list[list[tuple[int, npt.NDArray[np.float64]]]] = []

    def add(self, case: Case) -> int:
        """See Metric."""
        pairs = greedy(case.labelled, case.scores, IOUS)
        answers, truths = Counter(case.found), Counter(case.there)
        found = np.array(case.found, object)
        kept = []
        for label in dict.fromkeys([*case.there, *case.found]):
            hits = (pairs[:, found == label] >= 0).sum(axis=1)
            number = self._labels.setdefault(label, len(self._labels))
            kept.append((number, np.array([answers[label], truths[label], *hits], np.float64)))
        self._kept.append(kept)
        return len(self._kept) - 1

    def totals(self, rows: npt.NDArray[np.int64], images: npt.NDArray[np.int64], shares: Numbers) -> Totals:
        """See Metric."""
        cells = [
            (image, number * _WIDTH + place, value * share)
            for row, image, share in zip(rows.tolist(), images.tolist(), shares.tolist(), strict=True)
            for number, values in self._kept[row]
            for place, value in enumerate(values.tolist())
            if value
        ]
        shape = (int(images.max(initial=-1)) + 1, max(1, len(self._labels)) * _WIDTH)
        place, column, value = zip(*cells, strict=True) if cells else ((), (), ())
        table = csr_matrix((value, (place, column)), shape)

        def total(weights: Numbers) -> Mapping[str, Numbers]:
            block = max(1, _CELLS // shape[1])
            starts = range(0, len(weights), block)
            blocks = [_figures(weights[start : start + block, : shape[0]] @ table) for start in starts]
            return {name: np.concatenate([some[name] for some in blocks]) for name in self.figures}

        return total


def _figures(sums: Numbers) -> Mapping[str, Numbers]:
    """Figures of (B, labels * _WIDTH) sums."""
    sums = sums.reshape(len(sums), -1, _WIDTH)
    answers, truths, hits = sums[..., 0], sums[..., 1], sums[..., 2:]
    there = truths > 0
    labels = there.sum(axis=1)
    means = []
    for whole in (answers, truths):
        counted = (there & (whole > 0))[..., None]
        each = np.divide(hits, whole[..., None], out=np.zeros_like(hits), where=counted)
        total = each.sum(axis=1)
        means.append(np.divide(total, labels[:, None], out=np.full_like(total, np.nan), where=labels[:, None] > 0))
    precision, recall = means
    f1 = harmonic(precision, recall)
    return {
        "precision@.50": precision[:, 0],
        "recall@.50": recall[:, 0],
        "F1@.50": f1[:, 0],
        "F1@.95": f1[:, -1],
        "F1@mean": f1.mean(axis=1),
    }
