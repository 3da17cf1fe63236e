"""Texts in their places: found, and read right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.geometry.matching import hungarian, most_pairs
from pe.verifiers import Call
from pe.verifiers._pairing import text_similarity
from pe.verifiers.ocr import clean_text

__all__ = ["OcrRegionOneToOne"]

_HIT = 0.5


class OcrRegionOneToOne(SumMetric):
    """`F1` asks for the region and the text, `region F1` for the region alone; `read` is how alike texts of pairs are.

    Texts are equal with white space as single spaces; case counts. Similarity is 1 - edits / the longer one, over pairs
    of regions with the largest sum of IoU. Regions are boxes, or outlines where the question says so.
    """

    rule = "regions of IoU .50 and more and of equal text, one to one and as many pairs as there can be"
    source: ClassVar[str] = "Rex-Omni (arXiv 2510.12798): the region matches and the text is equal"
    kinds: ClassVar[tuple[Kind, ...]] = ("texts",)
    columns = ("answers", "truths", "hits", "regions", "pairs", "alike")
    figures = ("precision", "recall", "F1", "region F1", "read")

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        answers, truths = len(case.answer.objects), len(case.truth.objects)
        sums = dict.fromkeys(self.columns, 0.0) | {"answers": answers, "truths": truths}
        if not answers or not truths:
            return sums
        truth = case.verifier.prepare(case.truth, Call("", case.image))
        overlaps = case.verifier.overlaps(case.answer, truth)  # type: ignore[attr-defined]
        texts = [clean_text(item.phrase) for item in case.answer.objects]
        equal = np.array([[text == other for other in truth.texts] for text in texts])
        pairs = hungarian(overlaps, _HIT)
        return sums | {
            "hits": len(most_pairs(np.where(equal, overlaps, 0.0), _HIT)),
            "regions": len(most_pairs(overlaps, _HIT)),
            "pairs": len(pairs),
            "alike": sum(text_similarity(texts[i], truth.texts[j]) for i, j in pairs),
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        both = sums["answers"] + sums["truths"]
        return {
            "precision": ratio(sums["hits"], sums["answers"]),
            "recall": ratio(sums["hits"], sums["truths"]),
            "F1": ratio(2 * sums["hits"], both),
            "region F1": ratio(2 * sums["regions"], both),
            "read": ratio(sums["alike"], sums["pairs"]),
        }
