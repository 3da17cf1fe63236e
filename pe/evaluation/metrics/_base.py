"""What a metric is: it keeps of every response what its figures need, so that they can be added up in any way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from typing import ClassVar, get_args

import numpy as np
import numpy.typing as npt

from pe.evaluation.case import Case, Kind

Numbers = npt.NDArray[np.float64]
Totals = Callable[[Numbers], Mapping[str, Numbers]]
"""From (B, I) weights of I images to (B,) values of every figure; NaN where there is nothing to divide by."""

IOUS = tuple(np.round(np.linspace(0.5, 0.95, 10), 2).tolist())
OBJECTS: tuple[Kind, ...] = ("boxes", "masks", "points", "keypoints", "texts", "click")
"""The kinds of questions that are answered with objects."""

EVERY: tuple[Kind, ...] = get_args(Kind)


class Metric(ABC):
    """One metric over one set of responses; `add` them, then ask for `totals`.

    `rule` says in one line what is matched with what, `source` where the definition is from, `kinds` what a question
    asks for where the metric applies. `figures` are the names of its values. `most` is how many bootstrap resamples
    are worth their time. `behaviour` is of metrics that say what a model does rather than how well, `centred` of means
    over labels (see `estimate`).
    """

    rule: ClassVar[str]
    source: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    figures: ClassVar[tuple[str, ...]]
    most: ClassVar[int] = 1000
    behaviour: ClassVar[bool] = False
    centred: ClassVar[bool] = False

    def applies(self, case: Case) -> bool:
        """Whether the metric says anything about a response to this question."""
        return case.kind in self.kinds

    @abstractmethod
    def add(self, case: Case) -> int:
        """Keep what is needed of one response; the number it is kept under, from 0."""

    @abstractmethod
    def totals(self, rows: npt.NDArray[np.int64], images: npt.NDArray[np.int64], shares: Numbers) -> Totals:
        """What is needed to total the kept `rows` (R,), of `images` (R,) from 0, each counted `shares` (R,) times.

        There may be more images than those.
        """

    def label(self, figure: str, values: Mapping[str, float | None]) -> str:
        """How a figure is called beside its value."""
        return figure


class SumMetric(Metric):
    """A metric whose figures are functions of sums over responses: `columns` of them."""

    columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._kept = array("d")

    def add(self, case: Case) -> int:
        """See Metric."""
        measured = self.measure(case)
        self._kept.extend(measured[name] for name in self.columns)
        return len(self._kept) // len(self.columns) - 1

    def totals(self, rows: npt.NDArray[np.int64], images: npt.NDArray[np.int64], shares: Numbers) -> Totals:
        """See Metric."""
        kept = np.frombuffer(self._kept, np.float64).reshape(-1, len(self.columns))[rows] * shares[:, None]
        by_image = np.zeros((int(images.max(initial=-1)) + 1, len(self.columns)))
        np.add.at(by_image, images, kept)

        def total(weights: Numbers) -> Mapping[str, Numbers]:
            return self.combine(dict(zip(self.columns, (weights[:, : len(by_image)] @ by_image).T, strict=True)))

        return total

    @abstractmethod
    def measure(self, case: Case) -> Mapping[str, float]:
        """The `columns` of one response."""

    @abstractmethod
    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """The `figures` from (B,) sums of the columns."""


def ratio(part: Numbers, whole: Numbers) -> Numbers:
    """part / whole, NaN where the whole is 0."""
    values: Numbers = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)
    return values


def harmonic(a: Numbers, b: Numbers) -> Numbers:
    """2ab / (a + b): F1 of a precision and a recall; 0 where both are 0."""
    both = a + b
    return np.where(np.isnan(both), np.nan, np.divide(2 * a * b, both, out=np.zeros_like(both), where=both > 0))
