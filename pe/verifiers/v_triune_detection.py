"""V-Triune's detection reward, corrected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.geometry.matching import Overlaps, hungarian
from pe.registry import load
from pe.verifiers._average_precision import COCO, average_precision
from pe.verifiers._base import Call, Parameters
from pe.verifiers._boxes import BoxTruth, BoxVerifier, check_gold, complete, label_ids, overlaps
from pe.verifiers._schedule import V_TRIUNE, Schedule, Share, Thresholds
from pe.verifiers._truth import Target, Truth

__all__ = ["VTriuneDetectionVerifier"]

Ratio = Literal["iou_max_label_first", "iou_max_iou_first", "iou_completeness", "map", "map50", "map75"]

MAPS = {"map": COCO, "map50": (0.5,), "map75": (0.75,)}
SCORES = ("iou_max_label_first", "iou_max_iou_first", *MAPS)
PENALTY = 0.6


class VTriuneDetectionParameters(Parameters):
    """`det_reward_ratio`: a row's own; what it lacks is 0. The weight of completeness, and those of the five scores.

    `threshold`: a schedule; "v-triune" is the dynamic one. `normalized`: the gold text is in 0..1000, not in pixels.
    """

    format: str = "v-triune"
    also: dict[str, dict[str, Any]] = Field(default={})
    det_reward_ratio: dict[Ratio, Share | None] = Field(default={"iou_max_label_first": 1.0, "iou_completeness": 0.3})
    threshold: Thresholds = Schedule(until=V_TRIUNE)
    normalized: bool = True


class VTriuneDetectionVerifier(BoxVerifier):
    """V-Triune's scores, weighed by the row's own ratios, under a one-to-one matching, and what is whole is read.

    `accuracy` is the mean, weighed by `det_reward_ratio`, of mean IoU with completeness for boxes matched within their
    label (iou_max_label_first) or by IoU alone, a wrong label earning no IoU (iou_max_iou_first), and of
    `average-precision` at all, 0.5 and 0.75 IoU (map, map50, map75); times 0.6 for every box beyond the truth's number.
    `format` is 1 for one pair of answer tags around what its decoder reads as it stands. Weigh them 1 and 0.1.
    """

    Parameters = VTriuneDetectionParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    components = ("accuracy", "format")
    formula = "sum(ratio * score)/sum(ratio) * 0.6^max(0, n_answer - n_truth); score (1-c)*meanIoU + c*completeness"
    source = "V-Triune (arXiv 2505.18129) section 3.3, MiniMax-AI/One-RL-to-See-Them-All"

    def prepare(self, truth: Truth, call: Call) -> Any:
        """See Verifier."""
        if not any(self.parameters.det_reward_ratio.get(name) for name in SCORES):
            raise ValueError("every one of det_reward_ratio's scores has the weight 0")
        if truth.written and self.parameters.normalized:
            gold = load("formats", "qwen3-vl")().decode(truth.written, call.image)
            check_gold(gold, "boxes in 0..1000")
            objects = tuple(Target(phrase=item.phrase, bbox=item.bbox, point=item.point) for item in gold.objects)
            truth = truth.model_copy(update={"objects": objects, "written": ""})
        return super().prepare(truth, call)

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        tagged = call.response.count("<answer>") == 1 == call.response.count("</answer>")
        form = float(tagged and answer.status in ("ok", "none-present"))
        return {**super().judge(answer, truth, call), "format": form}

    def stages(self) -> tuple[float, ...]:
        """See Verifier."""
        stages: tuple[float, ...] = self.parameters.threshold.stages()
        return stages

    def _compare(self, answer: Decoded, truth: BoxTruth, call: Call) -> float:
        ids = label_ids(answer, truth)
        matrix = overlaps(answer, truth, ids)
        limits = self.parameters.threshold.at(call.progress)
        ratios = self.parameters.det_reward_ratio
        weight = ratios.get("iou_completeness") or 0.0
        total = weights = 0.0
        for name, ratio in ratios.items():
            if not ratio or name == "iou_completeness":
                continue
            if name in MAPS:
                scores = [1.0] * len(ids)
                value = average_precision(matrix, scores, ids.tolist(), truth.ids.tolist(), MAPS[name])
            elif name == "iou_max_label_first":
                value = sum(complete(matrix, limit, weight) for limit in limits) / len(limits)
            else:
                anyhow = overlaps(answer, truth)
                value = sum(_by_iou(anyhow, matrix, limit, weight) for limit in limits) / len(limits)
            total += ratio * value
            weights += ratio
        surplus = max(0, matrix.shape[0] - matrix.shape[1])
        return float(total / weights * PENALTY**surplus)


def _by_iou(anyhow: Overlaps, matrix: Overlaps, threshold: float, weight: float) -> float:
    """Mean IoU with completeness of boxes matched whatever their labels; only those of the right one earn their IoU."""
    answered, truths = matrix.shape
    pairs = hungarian(anyhow, threshold)
    mean = sum(float(matrix[pair]) for pair in pairs) / truths
    missed = ((truths - len(pairs)) / truths + (answered - len(pairs)) / answered) / 2
    return float(mean + weight * (1 - missed - mean))
