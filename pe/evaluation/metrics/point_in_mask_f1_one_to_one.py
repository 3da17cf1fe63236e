"""Points in the masks of what they point at."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pe.evaluation.case import Case, Kind
from pe.evaluation.metrics._hits import Hits
from pe.geometry.matching import most_pairs
from pe.verifiers._pairing import places

__all__ = ["PointInMaskF1OneToOne"]


class PointInMaskF1OneToOne(Hits):
    """See Hits; a truth that has a mask or rings."""

    rule = "points on set pixels of masks of their label, one to one and as many pairs as there can be"
    source: ClassVar[str] = "point in mask of Rex-Omni (arXiv 2510.12798), matched one to one"
    kinds: ClassVar[tuple[Kind, ...]] = ("points",)

    def applies(self, case: Case) -> bool:
        """See Metric."""
        masks = all(item.mask or item.rings for item in case.truth.objects)
        return super().applies(case) and masks and (bool(case.truth.objects) or _by_name(case))

    def _hits(self, case: Case) -> int:
        points = places(case.answer)
        inside = np.stack([mask.holds(points) for mask in case.true_masks.spans], axis=1)
        return len(most_pairs(inside & case.same, 1.0))


def _by_name(case: Case) -> bool:
    """Whether a question without any truth is about masks, which only its verifier tells."""
    return "mask" in type(case.verifier).__name__.lower()
