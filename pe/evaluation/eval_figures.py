"""The figures of an evaluation: by data source and all together, and what becomes of them otherwise counted."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pe.evaluation.evaluate import Evaluation, Kept
from pe.evaluation.intervals import Estimate, estimate, resample

ALL = "all"

Figures = Mapping[str, Mapping[str, Estimate]]
"""By metric, then by figure."""

_VIEWS = {
    "as answered": (False, True),
    "without duplicates": (False, False),
    "best": (True, True),
    "best, without duplicates": (True, False),
}


@dataclass(frozen=True)
class Result:
    """`groups`: the figures of "all" and of each data source. `views`: those of all responses as they were answered,
    without duplicates, of the best response to each sample, and both; Rex-Omni's analysis of what RL changes.
    `applies` says to how many responses each metric does.
    """

    evaluation: Evaluation
    groups: Mapping[str, Figures]
    views: Mapping[str, Figures]
    applies: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        metrics = {
            name: {
                "rule": kept.metric.rule,
                "source": kept.metric.source,
                "applies": self.applies[name],
                "does not apply": len(self.evaluation.key) - self.applies[name],
            }
            for name, kept in self.evaluation.metrics.items()
        }
        return {
            "counts": self.evaluation.counts,
            "reasons": self.evaluation.reasons,
            "metrics": metrics,
            "groups": {group: self._figures(figures) for group, figures in self.groups.items()},
            "views": {view: self._figures(figures) for view, figures in self.views.items()},
        }

    def _figures(self, figures: Figures) -> dict[str, Any]:
        return {
            name: {
                figure: {"label": label(self.evaluation.metrics[name], figure, values), **value.as_dict()}
                for figure, value in values.items()
            }
            for name, values in figures.items()
        }


def label(kept: Kept, figure: str, values: Mapping[str, Estimate]) -> str:
    """How a figure is called beside its value."""
    return kept.metric.label(figure, {name: item.value for name, item in values.items()})


def result(evaluation: Evaluation, resamples: int, seed: int) -> Result:
    """All figures of `evaluation`. The intervals of one group do not depend on what other groups there are."""
    groups = {ALL: _figures(evaluation, resamples, seed, None)}
    if len(evaluation.sources) > 1:
        for source in sorted(evaluation.sources):
            groups[source] = _figures(evaluation, resamples, seed, source)
    views: dict[str, Figures] = {}
    duplicates = any(
        not np.array_equal(kept.rows(True), kept.rows(False)) for kept in evaluation.metrics.values() if kept.responses
    )
    for view, (best, with_duplicates) in _VIEWS.items():
        if (best and evaluation.most == 1) or (not with_duplicates and not duplicates):
            continue
        if best or not with_duplicates:
            title = view.replace("best", f"best of {evaluation.most}")
            views[title] = _figures(evaluation, resamples, seed, None, best=best, duplicates=with_duplicates)
    if views:
        views = {"as answered": groups[ALL], **views}
    applies = {name: len(kept.responses) for name, kept in evaluation.metrics.items()}
    return Result(evaluation, groups, views, applies)


def _figures(
    evaluation: Evaluation,
    resamples: int,
    seed: int,
    source: str | None,
    *,
    best: bool = False,
    duplicates: bool = True,
) -> Figures:
    shares = sample_shares(evaluation, best)
    found: dict[str, dict[str, Estimate]] = {}
    for name, kept in evaluation.metrics.items():
        part = Part.of(evaluation, kept, shares, source=source, duplicates=duplicates)
        if not len(part.rows):
            continue
        images, numbers = np.unique(part.images, return_inverse=True)
        totals = kept.metric.totals(part.rows, numbers, part.shares)
        (values,) = resample([totals], len(images), min(resamples, kept.metric.most), group_seed(seed, source))
        found[name] = {figure: estimate(value, kept.metric.centred) for figure, value in values.items()}
    return found


def group_seed(seed: int, source: str | None) -> tuple[int, int]:
    """What the draws of a group depend on."""
    return seed, zlib.crc32((ALL if source is None else f"source {source}").encode())


def sample_shares(evaluation: Evaluation, best: bool) -> npt.NDArray[np.float64]:
    """(R,) how much each response counts: all to a sample together once, or the one of the best own score alone.

    Of equal scores the first one is the best; a missing score is below every other.
    """
    key = np.array(evaluation.key, np.int64)
    if not best:
        return np.asarray(1.0 / np.bincount(key)[key])
    scored = np.nan_to_num(np.array(evaluation.scored, np.float64), nan=-np.inf)
    order = np.lexsort((np.arange(len(key)), -scored, key))
    first = np.ones(len(key), bool)
    first[1:] = key[order][1:] != key[order][:-1]
    shares = np.zeros(len(key))
    shares[order[first]] = 1.0
    return shares


@dataclass(frozen=True)
class Part:
    """Some of the responses that a metric applies to, by rising key: (R,) rows, their images, and what each counts."""

    rows: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]

    @staticmethod
    def of(
        evaluation: Evaluation,
        kept: Kept,
        shares: npt.NDArray[np.float64],
        *,
        source: str | None = None,
        keys: Collection[str] | None = None,
        duplicates: bool = True,
    ) -> Part:
        """Those of one data source, or to some samples alone; `shares` (R,) of 0 leave a response out."""
        numbers = np.array(kept.responses, np.int64)
        chosen = shares[numbers] > 0
        if source is not None:
            chosen &= np.array(evaluation.source, np.int64)[numbers] == evaluation.sources.get(source, -1)
        names = list(evaluation.keys)
        if keys is not None:
            wanted = np.array([name in keys for name in names], bool)
            chosen &= wanted[np.array(evaluation.key, np.int64)[numbers]]
        place = np.empty(len(names), np.int64)
        place[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        chosen_numbers = numbers[chosen]
        # The order settles ties of scores in average precision, so it may not be that of the lines.
        order = np.argsort(place[np.array(evaluation.key, np.int64)[chosen_numbers]], kind="stable")
        ordered = chosen_numbers[order]
        images = np.array(evaluation.image, np.int64)[ordered]
        return Part(kept.rows(duplicates)[chosen][order], images, shares[ordered])
