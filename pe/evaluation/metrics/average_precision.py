"""Average precision as COCO defines it (Lin et al. 2014, pycocotools' COCOeval): 101 recalls, IoU 0.50 to 0.95."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pe.geometry.matching import greedy

THRESHOLDS = np.linspace(0.5, 0.95, 10)
MOST = 100
"""Predictions of one phrase that count in a picture, best score first."""
_RECALLS = np.linspace(0, 1, 101)


@dataclass
class AveragePrecision:
    """Gathers one phrase's predictions picture by picture."""

    truths: int = 0
    scores: list[float] = field(default_factory=list)
    hits: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    ignored: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def add(self, scores: npt.ArrayLike, overlaps: npt.ArrayLike, crowd: npt.ArrayLike) -> None:
        """One picture: `scores` (N,), `overlaps` (N, M) with its truths, of which `crowd` (M,) bool cost nothing."""
        values, matrix = np.asarray(scores, np.float64), np.asarray(overlaps, np.float64)
        regions = np.asarray(crowd, bool)
        self.truths += int((~regions).sum())
        order = np.argsort(-values, kind="stable")[:MOST]
        found = greedy(matrix.reshape(len(values), len(regions))[order], THRESHOLDS, regions)
        self.scores += values[order].tolist()
        ignored = (found >= 0) & np.append(regions, False)[found]
        self.hits += list(((found >= 0) & ~ignored).T)
        self.ignored += list(ignored.T)

    def result(self) -> npt.NDArray[np.float64] | None:
        """(10,) average precision at each of THRESHOLDS; None where the phrase has no truth."""
        if not self.truths:
            return None
        if not self.scores:
            return np.zeros(len(THRESHOLDS))
        order = np.argsort(-np.array(self.scores), kind="stable")
        hits, ignored = np.array(self.hits)[order].T, np.array(self.ignored)[order].T
        right = np.cumsum(hits, axis=1, dtype=np.float64)
        wrong = np.cumsum(~hits & ~ignored, axis=1, dtype=np.float64)
        precision = right / np.maximum(right + wrong, np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        values = np.zeros(len(THRESHOLDS))
        for t, recall in enumerate(right / self.truths):
            at = np.searchsorted(recall, _RECALLS, side="left")
            values[t] = np.append(best[t], 0.0)[at].mean()
        return values
