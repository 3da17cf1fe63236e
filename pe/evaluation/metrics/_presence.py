"""Whether it is said rightly that something is there: counts over (picture, phrase) pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping


def presence_mcc(pairs: Mapping[str, float]) -> float | None:
    """Matthews' correlation of "is there" and "is found", -1 to 1, of counts `tp`, `fp`, `fn`, `tn`.

    A pair is a picture and a phrase that was asked for; it is found when the answer has any object of that phrase,
    wherever it is (image-level MCC of SAM 3, arXiv 2511.16719, without its 1e-6). 0 when the answer is always the
    same, None when the truth is: nothing is known then of the other half. The number depends on the share of absent
    phrases, so that is to be stated with it.
    """
    tp, fp, fn, tn = (pairs.get(name, 0.0) for name in ("tp", "fp", "fn", "tn"))
    if not tp + fn or not fp + tn:
        return None
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0
