"""Falcon Perception's reward as the paper has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pe.formats import Decoded
from pe.verifiers._base import Call
from pe.verifiers.falcon_perception import ALARM, FalconPerceptionVerifier

__all__ = ["FalconPerceptionCompatVerifier"]


class FalconPerceptionCompatVerifier(FalconPerceptionVerifier):
    """-(FN + 0.3 FP): 0 for a perfect answer; a fault costs the same in a picture of few objects and of many."""

    formula = "-(FN + 0.3 * FP) at IoU >= 0.5"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        truths = len(truth.ids)
        if not truths or not answer.objects:
            return {"accuracy": -(truths + ALARM * len(answer.objects))}
        return {"accuracy": (self._compare(answer, truth, call) - 1.0) * truths}
