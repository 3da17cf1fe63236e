"""What the figures share that follow Rex-Omni's evaluation code."""

from __future__ import annotations

from pe.evaluation.case import Case
from pe.geometry.matching import greedy_by_column


def recall_precision(case: Case, threshold: float) -> tuple[float, float]:
    """Recall and precision of one response, as calculate_detection_metrics gives them."""
    answers, truths = len(case.answer.objects), len(case.truth.objects)
    if not truths and not case.truth.phrases:
        return (0.0, 0.0) if answers else (1.0, 1.0)
    if not answers:
        return 0.0, 0.0
    rows = [row for name in case.asked for row, label in enumerate(case.found) if label == name]
    columns = [column for name in case.asked for column, label in enumerate(case.there) if label == name]
    hits = len(greedy_by_column(case.box_overlaps[rows][:, columns], threshold))
    return hits / truths if truths else 0.0, hits / answers
