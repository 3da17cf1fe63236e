"""VLM-R1's `odLength` as its code computes it."""

from __future__ import annotations

from typing import Any

from pe.verifiers.vlm_r1_od_ap_compat import VlmR1OdApCompatVerifier

__all__ = ["VlmR1OdLengthCompatVerifier"]


class VlmR1OdLengthCompatVerifier(VlmR1OdApCompatVerifier):
    """om-ai-lab/VLM-R1@90052f4, odLength_reward: `vlm-r1-od-ap-compat`, less by the share of items too many.

    Every item of the answer's JSON list counts, also one that is no box.
    """

    formula = "vlm-r1-od-ap-compat * min(1, n_truth / n_answer)"
    source = "om-ai-lab/VLM-R1@90052f4 grpo_jsonl.py odLength_reward"

    def _map(self, answer: list[Any], truth: list[Any]) -> float:
        value = super()._map(answer, truth)
        return value if len(truth) >= len(answer) else value * len(truth) / len(answer)
