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
    """Gathers one phrase's predictions, picture by picture."""

    truths: int = 0
    _scores: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _hits: list[npt.NDArray[np.int8]] = field(default_factory=list)

    def add(self, scores: npt.ArrayLike, overlaps: npt.ArrayLike, crowd: npt.ArrayLike) -> None:
        """One picture: `scores` (N,) of predictions, their `overlaps` (N, M) with truths, of which `crowd` (M,) bool.

        A crowd is no truth to be found, and what falls into it costs nothing. Among equal scores the earlier picture
        comes first, as in COCOeval.
        """
        values, regions = np.asarray(scores, np.float64), np.asarray(crowd, bool)
        self.truths += int((~regions).sum())
        if not len(values):
            return
        order = np.argsort(-values, kind="stable")[:MOST]
        matrix = np.asarray(overlaps, np.float64).reshape(len(values), len(regions))[order]
        found = greedy(matrix, values[order], THRESHOLDS, regions)
        # 1 a hit, 0 a miss, -1 in a crowd
        hits = np.where(found < 0, 0, np.where(np.append(regions, False)[found], -1, 1))
        self._scores.append(values[order])
        self._hits.append(hits.astype(np.int8))

    def result(self) -> npt.NDArray[np.float64] | None:
        """(10,) average precision at each of THRESHOLDS; None where there is no truth."""
        if not self.truths:
            return None
        if not self._scores:
            return np.zeros(len(THRESHOLDS))
        order = np.argsort(-np.concatenate(self._scores), kind="stable")
        hits = np.concatenate(self._hits, axis=1)[:, order]
        every, truths = np.ones((1, 1, len(order))), np.full((1, 1), float(self.truths))
        values: npt.NDArray[np.float64] = interpolated(hits[None], every, truths)[0, 0]
        return values


def interpolated(
    hits: npt.NDArray[np.int8], weights: npt.NDArray[np.float64], truths: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(B, L, T) mean precision at 101 recalls of L lists of D predictions, best score first, weighed in B ways.

    `hits` (L, T, D): 1 a hit, 0 a miss, -1 what costs nothing; `weights` (B, L, D) how often each counts; `truths`
    (B, L) how many there are. NaN where there is none.
    """
    right = np.cumsum(weights[:, :, None] * (hits == 1), axis=3)
    wrong = np.cumsum(weights[:, :, None] * (hits == 0), axis=3)
    precision = right / np.maximum(right + wrong, np.finfo(np.float64).tiny)
    best = np.maximum.accumulate(precision[..., ::-1], axis=3)[..., ::-1]
    known = truths > 0
    recall = right / np.where(known, truths, 1.0)[:, :, None, None]
    # each of the 101 recalls is first reached at one prediction, or at none
    reached = np.diff(np.searchsorted(_RECALLS, recall, side="right"), axis=3, prepend=0)
    values: npt.NDArray[np.float64] = (reached * best).sum(axis=3) / len(_RECALLS)
    values[~known] = np.nan
    return values
