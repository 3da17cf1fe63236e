"""Two evaluations side by side, with the interval of their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pe.errors import InputError
from pe.evaluation.eval_figures import ALL, Part, group_seed, sample_shares
from pe.evaluation.evaluate import Evaluation
from pe.evaluation.intervals import Estimate, estimate, resample


@dataclass(frozen=True)
class Difference:
    """A figure of the first run, of the second, and the second minus the first; the interval is of paired draws."""

    first: Estimate
    second: Estimate
    difference: Estimate

    @property
    def clear(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)

    def as_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"first": self.first.as_dict(), "second": self.second.as_dict(), "difference": self.difference.as_dict()}


@dataclass(frozen=True)
class Comparison:
    """`groups`: by "all" and data source, by metric, by figure. `common` samples were answered in both runs.

    `only_first` and `only_second` were not, and are left out.
    """

    groups: Mapping[str, Mapping[str, Mapping[str, Difference]]]
    common: int
    only_first: int
    only_second: int

    def as_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        groups = {
            group: {
                name: {figure: value.as_dict() for figure, value in figures.items()}
                for name, figures in metrics.items()
            }
            for group, metrics in self.groups.items()
        }
        return {
            "common": self.common,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "groups": groups,
        }


def compare(first: Evaluation, second: Evaluation, resamples: int, seed: int) -> Comparison:
    """Every figure of two runs on the samples that both answered, resampled by the same pictures.

    Raises InputError where there is no such sample.
    """
    common = first.keys.keys() & second.keys.keys()
    if not common:
        raise InputError("the two runs answered no sample in common; nothing can be compared")
    sources = sorted(first.sources.keys() & second.sources.keys())
    groups = {ALL: _differences(first, second, common, resamples, seed, None)}
    if len(sources) > 1:
        groups |= {source: _differences(first, second, common, resamples, seed, source) for source in sources}
    return Comparison(groups, len(common), len(first.keys) - len(common), len(second.keys) - len(common))


def _differences(
    first: Evaluation, second: Evaluation, common: set[str], resamples: int, seed: int, source: str | None
) -> Mapping[str, Mapping[str, Difference]]:
    runs = [(run, sample_shares(run, best=False), np.array(list(run.images), object)) for run in (first, second)]
    found: dict[str, dict[str, Difference]] = {}
    for name in first.metrics:
        parts = [Part.of(run, run.metrics[name], shares, source=source, keys=common) for run, shares, _ in runs]
        if not all(len(part.rows) for part in parts):
            continue
        names = [digests[part.images] for part, (_, _, digests) in zip(parts, runs, strict=True)]
        images, numbers = np.unique(np.concatenate(names).astype(str), return_inverse=True)
        ends = np.split(numbers, [len(names[0])])
        totals = [
            run.metrics[name].metric.totals(part.rows, places, part.shares)
            for part, places, (run, _, _) in zip(parts, ends, runs, strict=True)
        ]
        most, centred = min(resamples, first.metrics[name].metric.most), first.metrics[name].metric.centred
        one, two = resample(totals, len(images), most, group_seed(seed, source))
        found[name] = {
            figure: Difference(
                *(estimate(some, centred) for some in (one[figure], two[figure], two[figure] - one[figure]))
            )
            for figure in one
        }
    return found
