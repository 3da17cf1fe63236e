"""Objects of one answer that say the same thing again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import OBJECTS, Numbers, SumMetric, ratio
from pe.evaluation.metrics._duplicates import distinct
from pe.formats import Item

__all__ = ["DuplicateRatio"]

_RUN = 10


class DuplicateRatio(SumMetric):
    """`duplicates` is the share of objects, `answers with` the share of responses with any.

    `repetition` is the share of responses that write one object ten times in a row and more than twice as many
    objects as there are: a model that has lost its way.
    """

    rule = "an object of IoU .90 and more (a point closer than 5 px) to an earlier one of its label"
    source: ClassVar[str] = "Rex-Omni (arXiv 2510.12798): duplicates, repetition; PointRL: 5 px"
    kinds: ClassVar[tuple[Kind, ...]] = OBJECTS
    behaviour = True
    columns = ("responses", "objects", "duplicates", "with", "repetition")
    figures = ("duplicates", "answers with", "repetition")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        objects = case.answer.objects
        duplicates = len(objects) - len(distinct(objects, case.found))
        lost = len(objects) > 2 * len(case.truth.objects) and _longest_run(objects) >= _RUN
        return {
            "responses": 1,
            "objects": len(objects),
            "duplicates": duplicates,
            "with": duplicates > 0,
            "repetition": lost,
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "duplicates": ratio(sums["duplicates"], sums["objects"]),
            "answers with": ratio(sums["with"], sums["responses"]),
            "repetition": ratio(sums["repetition"], sums["responses"]),
        }


def _longest_run(objects: tuple[Item, ...]) -> int:
    places = [(item.bbox, item.point, item.rings) for item in objects]
    return max((len(list(run)) for _, run in groupby(places)), default=0)
