"""How long responses are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import EVERY, Numbers, SumMetric, ratio

__all__ = ["ResponseLength"]


class ResponseLength(SumMetric):
    """`tokens an object` is over responses that have any. Applies where the line says how many tokens there are."""

    rule = "the response's own tokens, over its objects"
    source: ClassVar[str] = "tokens per object: SimpleSeg, Rex-Omni"
    kinds: ClassVar[tuple[Kind, ...]] = EVERY
    behaviour = True
    columns = ("responses", "tokens", "object_tokens", "objects")
    figures = ("tokens", "tokens an object")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return case.line.tokens is not None

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        tokens, objects = case.line.tokens or 0, len(case.answer.objects)
        return {"responses": 1, "tokens": tokens, "object_tokens": tokens if objects else 0, "objects": objects}

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "tokens": ratio(sums["tokens"], sums["responses"]),
            "tokens an object": ratio(sums["object_tokens"], sums["objects"]),
        }
