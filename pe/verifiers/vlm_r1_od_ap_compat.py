"""VLM-R1's `od_ap` (with thresholds [0.5] `od_ap50`) as its code computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pe.formats import Decoded
from pe.verifiers._base import Call
from pe.verifiers._truth import Truth
from pe.verifiers.vlm_r1_map_compat import VlmR1MapCompatVerifier, between, fenced, rows_of

__all__ = ["VlmR1OdApCompatVerifier"]


class VlmR1OdApCompatVerifier(VlmR1MapCompatVerifier):
    """om-ai-lab/VLM-R1@90052f4, od_reward: `vlm-r1-map-compat` of the last <answer>, which has to be there.

    "None" for "None" is 1, and so is any answer without a fence.
    """

    formula = "no <answer> 0; else vlm-r1-map-compat of what is in the last one"
    source = "om-ai-lab/VLM-R1@90052f4 grpo_jsonl.py od_reward"

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier."""
        if not truth.written:
            return rows_of(truth.objects, call)
        return self._rows(next(iter(between(truth.written, "<answer>", "</answer>")), truth.written))

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        answers = between(call.response, "<answer>", "</answer>")
        return {"accuracy": self._map(fenced(answers[-1]), truth) if answers else 0.0}
