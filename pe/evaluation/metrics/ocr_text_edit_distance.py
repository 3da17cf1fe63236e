"""One whole text that was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from rapidfuzz.distance import Levenshtein

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._base import Numbers, SumMetric, ratio
from pe.verifiers import Call
from pe.verifiers._pairing import text_similarity
from pe.verifiers.ocr import clean_text

__all__ = ["OcrTextEditDistance"]

_MOST = 4


class OcrTextEditDistance(SumMetric):
    """`CER` and `WER` are edits per true character and word over all pictures; word F1 counts words in any order.

    What a text has beyond four times the truth's length counts as inserted without being looked at.
    """

    rule = "the whole text with the whole truth, white space as single spaces; case counts"
    source: ClassVar[str] = "normalised edit distance and word F1 as Perception-R1 (arXiv 2504.07954); CER, WER of ASR"
    kinds: ClassVar[tuple[Kind, ...]] = ("transcript",)
    columns = ("responses", "alike", "exact", "edits", "letters", "word_edits", "true_words", "words", "same_words")
    figures = ("similarity", "exact", "CER", "WER", "word precision", "word recall", "word F1")

    def applies(self, case: Case) -> bool:
        """See Metric."""
        return super().applies(case) and bool(self._truth(case))

    @staticmethod
    def _truth(case: Case) -> str:
        texts = case.verifier.prepare(case.truth, Call("", case.image)).texts
        return str(texts[0]) if texts else ""

    def measure(self, case: Case) -> Mapping[str, float]:
        """See SumMetric."""
        truth = self._truth(case)
        text = "" if case.answer.status == "unparsable" else clean_text(case.answer.text)
        words, true_words = text.split(), truth.split()
        return {
            "responses": 1,
            "alike": text_similarity(text, truth),
            "exact": text == truth,
            "edits": _edits(text, truth),
            "letters": len(truth),
            "word_edits": _edits(words, true_words),
            "true_words": len(true_words),
            "words": len(words),
            "same_words": (Counter(words) & Counter(true_words)).total(),
        }

    def combine(self, sums: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
        """See SumMetric."""
        return {
            "similarity": ratio(sums["alike"], sums["responses"]),
            "exact": ratio(sums["exact"], sums["responses"]),
            "CER": ratio(sums["edits"], sums["letters"]),
            "WER": ratio(sums["word_edits"], sums["true_words"]),
            "word precision": ratio(sums["same_words"], sums["words"]),
            "word recall": ratio(sums["same_words"], sums["true_words"]),
            "word F1": ratio(2 * sums["same_words"], sums["words"] + sums["true_words"]),
        }


def _edits(text: str | list[str], truth: str | list[str]) -> int:
    read = text[: _MOST * len(truth) + 64]
    return int(Levenshtein.distance(read, truth)) + len(text) - len(read)
