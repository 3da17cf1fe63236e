"""Points in the boxes of what they point at."""

from __future__ import annotations

from typing import ClassVar

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._hits import Hits
from pe.geometry.matching import most_pairs
from pe.verifiers._pairing import places

__all__ = ["PointInBoxF1OneToOne"]


class PointInBoxF1OneToOne(Hits):
    """See Hits; a truth that has boxes and neither masks nor rings."""

    rule = "points in boxes of their label, with the border, one to one and as many pairs as there can be"
    source: ClassVar[str] = "point in box of Rex-Omni (arXiv 2510.12798), matched one to one"
    kinds: ClassVar[tuple[Kind, ...]] = ("points",)

    def applies(self, case: Case) -> bool:
        """See Metric."""
        boxes = all(item.bbox and not item.mask and not item.rings for item in case.truth.objects)
        return super().applies(case) and boxes and (bool(case.truth.objects) or _by_name(case))

    def _hits(self, case: Case) -> int:
        points = places(case.answer)[:, None]
        inside = ((points >= case.true_boxes[:, :2]) & (points <= case.true_boxes[:, 2:])).all(axis=2)
        return len(most_pairs(inside & case.same, 1.0))


def _by_name(case: Case) -> bool:
    """Whether a question without any truth is about boxes, which only its verifier tells."""
    return "box" in type(case.verifier).__name__.lower()
