"""SAM 3's cgF1: how well what is there is found, times how well it is told what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case
from pe.evaluation.metrics._base import IOUS, Numbers, SumMetric, ratio
from pe.geometry.matching import hungarian

_LEAST = 0.5


class ConceptF1(SumMetric):
    """cgF1 = pmF1 * IL_MCC over pairs of a picture and a phrase that was asked for.

    Answers of a score below 0.5 do not count. pmF1 is F1 over all pairs that have a truth, the mean of ten IoUs; IL_MCC
    is Matthews' correlation of "is there" and "any answer" over all pairs. Without the original's 1e-4 and 1e-6; None
    where all pairs have a truth or none has. A response that cannot be read is wrong about every pair, here alone. The
    number depends on the share of negative pairs, so that stands in its name.
    """

    source: ClassVar[str] = "SAM 3 (arXiv 2511.16719), facebookresearch/sam3 sam3/eval/cgf1_eval.py"
    columns = ("answers", "truths", *(f"hits{iou}" for iou in IOUS), "tp", "fp", "fn", "tn")
    figures = ("cgF1", "pmF1", "IL_MCC", "negatives a positive")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        sums = dict.fromkeys(self.columns, 0.0)
        found, there = np.array(case.taken_as, object), np.array(case.there, object)
        kept = case.scores >= _LEAST
        for label in case.asked:
            rows, columns = np.flatnonzero((found == label) & kept), np.flatnonzero(there == label)
            if not len(columns):
                sums["fp" if len(rows) or case.unread else "tn"] += 1
                continue
            sums["tp" if len(rows) else "fn"] += 1
            sums["answers"] += len(rows)
            sums["truths"] += len(columns)
            block = case.overlaps[np.ix_(rows, columns)]
            pairs = [block[pair] for pair in hungarian(block, 0.0)]
            for iou in IOUS:
                sums[f"hits{iou}"] += sum(value >= iou for value in pairs)
        return sums

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        both = sums["answers"] + sums["truths"]
        f1 = np.mean([ratio(2 * sums[f"hits{iou}"], both) for iou in IOUS], axis=0)
        tp, fp, fn, tn = (sums[name] for name in ("tp", "fp", "fn", "tn"))
        product = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        mcc = np.divide(tp * tn - fp * fn, product, out=np.zeros_like(tp), where=product > 0)
        mcc = np.where((tp + fn > 0) & (fp + tn > 0), mcc, np.nan)
        return {
            "cgF1": f1 * mcc,
            "pmF1": f1,
            "IL_MCC": mcc,
            "negatives a positive": ratio(fp + tn, tp + fn),
        }

    def label(self, figure: str, values: Mapping[str, float | None]) -> str:
        """See Metric."""
        negatives = values.get("negatives a positive")
        if figure not in ("cgF1", "IL_MCC") or negatives is None:
            return figure
        return f"{figure} (1:{negatives:.2f})"
