"""Bootstrap over images: the figures of one run or of two, with what resampling the pictures does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from pe.evaluation.metrics._base import Numbers, Totals

_CELLS = 4_000_000
_TAIL = 0.025


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where there is nothing to divide by, or too few pictures to resample."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """As a JSON object."""
        return asdict(self)


def resample(runs: Sequence[Totals], images: int, resamples: int, seed: Sequence[int]) -> list[Mapping[str, Numbers]]:
    """Every figure of every run as it is, then of `resamples` draws of `images` pictures with replacement.

    All runs see the same draws, so that their differences are paired. (1 + resamples,) values a figure.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[Mapping[str, Numbers]]] = [[total(np.ones((1, images)))] for total in runs]
    block = max(1, _CELLS // max(1, images))
    for start in range(0, resamples if images > 1 else 0, block):
        drawn = rng.integers(0, images, (min(block, resamples - start), images))
        weights = _counts(drawn, images)
        for part, total in zip(parts, runs, strict=True):
            part.append(total(weights))
    return [{name: np.concatenate([some[name] for some in part]) for name in part[0]} for part in parts]


def estimate(values: Numbers, centred: bool = False) -> Estimate:
    """The first of `values`, and the middle 95 % of the others: percentiles (Efron 1979).

    A mean over labels is `centred`: draws lose labels that few pictures have, and with them their part of the mean, so
    that their median is moved to the figure. The interval leaves out draws without a value, and is None where those are
    more than half.
    """
    value = None if np.isnan(values[0]) else float(values[0])
    drawn = values[1:][~np.isnan(values[1:])]
    if value is None or len(drawn) < max(1, (len(values) - 1) / 2):
        return Estimate(value)
    low, middle, high = np.quantile(drawn, (_TAIL, 0.5, 1 - _TAIL))
    if centred:
        # A share stays a share.
        low, high = np.clip(
            (low + value - middle, high + value - middle),
            0.0 if drawn.min() >= 0 else -np.inf,
            1.0 if drawn.max() <= 1 else np.inf,
        )
    return Estimate(value, float(low), float(high))


def _counts(drawn: npt.NDArray[np.int64], images: int) -> Numbers:
    """(B, I) how often each picture was drawn."""
    rows = np.arange(len(drawn))[:, None] * images
    counts = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * images)
    return counts.reshape(len(drawn), images).astype(np.float64)
