"""What is counted of one phrase, or of all: hits, misses by kind, and means over the hits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

_MEANS = ("box_iou", "mask_iou", "ring_iou", "boundary_f", "predicted_iou_error")
_MISSES = ("duplicates", "wrong_phrase", "on_absent_phrases")


class Tally:
    """Counts by name (truths, predictions, hits, their mask_ kin and the kinds of misses), and sums."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._sizes: Counter[str] = Counter()

    def add_values(self, values: Mapping[str, float]) -> None:
        """How well one hit fits, by the name of the mean it goes into."""
        for name, value in values.items():
            self._sums[name] += value
            self._sizes[name] += 1

    def as_dict(self, masks: bool) -> dict[str, Any]:
        """Counts as they are, rates and means; None where there is nothing to divide by. `masks`: whether there are."""
        figures: dict[str, Any] = {name: self.counts[name] for name in ("truths", "predictions", "hits")}
        figures |= self._rates("")
        figures |= self._rates("mask_") if masks else dict.fromkeys(("mask_precision", "mask_recall", "mask_f1"))
        for name in _MEANS:
            figures[name] = share(self._sums[name], self._sizes[name])
        return figures | {name: self.counts[name] for name in _MISSES}

    def _rates(self, prefix: str) -> dict[str, float | None]:
        hits, found, truths = (self.counts[prefix + name] for name in ("hits", "predictions", "truths"))
        return {
            f"{prefix}precision": share(hits, found),
            f"{prefix}recall": share(hits, truths),
            f"{prefix}f1": share(2 * hits, found + truths),
        }


def share(part: float, whole: int) -> float | None:
    """`part` of `whole`, None of nothing."""
    return part / whole if whole else None
