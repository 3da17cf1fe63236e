"""What verifiers of points, masks, texts and key points share: labels, places, and the F1 of pairs one to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from pe.formats import Decoded
from pe.geometry.matching import hungarian
from pe.verifiers._labels import label
from pe.verifiers._truth import Truth

Similarity = npt.NDArray[np.float64]


def alike(answer: Decoded, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(N, M) whether the N objects of `answer` bear the M `labels` of the truth, which `label` made.

    A truth without a phrase asks for none: its label "" takes every phrase.
    """
    first = labels[0]
    if all(name == first for name in labels):
        right = np.array([not first or label(item.phrase) == first for item in answer.objects], np.bool_)
        return np.repeat(right[:, None], len(labels), axis=1)
    known = {name: np.array([other in (name, "") for other in labels], np.bool_) for name in dict.fromkeys(labels)}
    nameless = np.array([not other for other in labels], np.bool_)
    return np.stack([known.get(label(item.phrase), nameless) for item in answer.objects])


def places(answer: Decoded, centres: bool = False) -> npt.NDArray[np.float64]:
    """(N, 2) x and y of the objects of `answer`; NaN for one that is no point. `centres`: of boxes their centres."""
    nowhere = (np.nan, np.nan)
    found = []
    for item in answer.objects:
        if item.point is not None:
            found.append(item.point)
        elif centres and item.bbox is not None:
            x0, y0, x1, y1 = item.bbox
            found.append(((x0 + x1) / 2, (y0 + y1) / 2))
        else:
            found.append(nowhere)
    return np.array(found, np.float64).reshape(-1, 2)


def true_places(truth: Truth) -> npt.NDArray[np.float64]:
    """(M, 2) x and y of the truth's objects: of each its `point`, or else the centre of its `bbox`, or a ValueError."""
    found = []
    for index, target in enumerate(truth.objects):
        if target.point is None and target.bbox is None:
            raise ValueError(f"object {index} has neither a point nor a bbox")
        x0, y0, x1, y1 = target.bbox or (0.0, 0.0, 0.0, 0.0)
        found.append(target.point or ((x0 + x1) / 2, (y0 + y1) / 2))
    return np.array(found, np.float64).reshape(-1, 2)


def text_similarity(text: str, truth: str) -> float:
    """1 - edit distance / length of the longer one, for a `truth` that is not empty.

    What `text` has beyond four times the length of `truth` counts as inserted, without being looked at.
    """
    read = text[: 4 * len(truth) + 64]
    edits = Levenshtein.distance(read, truth) + len(text) - len(read)
    return max(0.0, 1.0 - edits / max(len(text), len(truth)))


def soft_f1(similarity: Similarity) -> float:
    """2 * sum of similarities / (N + M), over the one-to-one pairs of an (N, M) matrix whose sum is the largest.

    A pair of similarity s is s of a hit: with similarities of 0 and 1 this is F1.
    """
    pairs = hungarian(similarity, 0.0)
    return 2.0 * sum(float(similarity[pair]) for pair in pairs) / sum(similarity.shape)
