"""Key points of persons, animals and things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pe.formats import Decoded, Item
from pe.geometry.boxes import iou
from pe.verifiers._base import Call, Verifier
from pe.verifiers._labels import label
from pe.verifiers._pairing import alike, soft_f1
from pe.verifiers._policy import silence
from pe.verifiers._truth import Point, Truth

__all__ = ["KeypointsVerifier"]

_SIGMA = 0.025
_PERSON = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
_SIGMAS = {"nose": _PERSON["nose"]} | {
    f"{side} {part}": sigma for side in ("left", "right") for part, sigma in _PERSON.items() if part != "nose"
}


class _Persons(NamedTuple):
    """`names` of K key points to their place; `points` (M, K, 2), NaN where there is none; `scales` (M, K)."""

    labels: tuple[str, ...]
    boxes: npt.NDArray[np.float64]
    names: Mapping[str, int]
    points: npt.NDArray[np.float64]
    scales: npt.NDArray[np.float64]


class KeypointsVerifier(Verifier):
    """Soft F1 of object key-point similarity (OKS), one to one within a label with the largest sum.

    OKS = sum exp(-d^2 / 2 A (2 sigma)^2) / (points to be seen + points invented), A the area of the truth's box, sigma
    COCO's for the 17 points of a person and 0.025 for any other. A point that is missing is worth 0, and one that the
    answer gives where the truth has none counts as invented. Names are compared as labels are, "_" being a space. An
    instance without a point to be seen is worth the IoU of the boxes to an answer that gives it none. The truth has a
    `bbox` with an area and `keypoints`.
    """

    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "continuous"
    shapes = ("keypoints",)
    formula = "2 * sum OKS / (instances + truths)"
    source = "COCO's OKS (pycocotools) and its sigmas; 0.025 as Rex-Omni's evaluation; missing points cost"

    def prepare(self, truth: Truth, call: Call) -> _Persons:
        """The points of all instances as one array."""
        names: dict[str, int] = {}
        areas = []
        for index, target in enumerate(truth.objects):
            box = target.bbox
            if box is None or box[2] <= box[0] or box[3] <= box[1] or target.keypoints is None:
                raise ValueError(f"object {index} has no keypoints with a bbox that has an area")
            areas.append((box[2] - box[0]) * (box[3] - box[1]))
            for name in target.keypoints:
                names.setdefault(_name(name), len(names))
        sigmas = np.array([_SIGMAS.get(name, _SIGMA) for name in names], np.float64)
        return _Persons(
            tuple(label(target.phrase) for target in truth.objects),
            np.array([target.bbox for target in truth.objects], np.float64).reshape(-1, 4),
            names,
            keypoint_places([target.keypoints or {} for target in truth.objects], names)[0],
            2.0 * np.array(areas, np.float64)[:, None] * np.square(2.0 * sigmas),
        )

    def judge(self, answer: Decoded, truth: _Persons, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        settled = silence(answer, len(truth.labels))
        if settled is not None:
            return {"accuracy": settled}
        points, others = keypoint_places([item.keypoints or {} for item in answer.objects], truth.names)
        apart = np.square(points[:, None] - truth.points).sum(axis=3)
        worth = np.nan_to_num(np.exp(-apart / truth.scales)).sum(axis=2)
        given, seen = ~np.isnan(points[..., 0]), ~np.isnan(truth.points[..., 0])
        invented = (given[:, None] & ~seen).sum(axis=2) + others[:, None]
        wanted = seen.sum(axis=1) + invented
        oks = np.divide(worth, wanted, out=self._unseen(answer, truth), where=wanted > 0)
        known = np.array([item.keypoints is not None for item in answer.objects])[:, None]
        return {"accuracy": soft_f1(np.where(known & alike(answer, truth.labels), oks, 0.0))}

    @staticmethod
    def _unseen(answer: Decoded, truth: _Persons) -> npt.NDArray[np.float64]:
        return iou(np.array([_box(item) for item in answer.objects], np.float64), truth.boxes)


def keypoint_places(
    instances: list[Mapping[str, Point | None]], names: Mapping[str, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(N, K, 2) places of the points called `names`, NaN where there is none; (N,) how many other points there are."""
    points = np.full((len(instances), len(names), 2), np.nan)
    others = np.zeros(len(instances), np.int64)
    for index, instance in enumerate(instances):
        for name, point in instance.items():
            place = names.get(_name(name))
            if point is not None and place is not None:
                points[index, place] = point
            elif point is not None:
                others[index] += 1
    return points, others


def _name(name: str) -> str:
    return label(name.replace("_", " "))


def _box(item: Item) -> tuple[float, float, float, float]:
    return item.bbox or (0.0, 0.0, 0.0, 0.0)
