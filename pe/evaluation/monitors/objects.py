"""What is counted of the objects of one answer, held against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from pe.evaluation.metrics._duplicates import count_duplicates, extent
from pe.formats import Decoded, Item, Size
from pe.geometry import spans
from pe.geometry.boxes import as_boxes, iou
from pe.geometry.masks import decode
from pe.geometry.matching import Overlaps, hungarian, most_pairs
from pe.verifiers import Target, Truth, Verifier
from pe.verifiers._average_precision import COCO, coco_average_precision
from pe.verifiers._labels import label
from pe.verifiers._policy import is_unread

THRESHOLDS = (0.5, 0.75, 0.95, 0.99)
LARGE = 0.95
TOUCHING = 0.1


def object_sums(truth: Truth, answer: Decoded, verifier: Verifier, image: Size) -> Mapping[str, float]:
    """Sums over one answer to a question that `verifier` scores; `image` is (width, height) in pixels.

    Labels are compared as the verifiers do, or not at all where it has `labels` false.

    `objects`, `truths`, `duplicates`; `regions` and `large` of boxes and rings; with boxes or masks on both sides also
    the hits one to one at each of THRESHOLDS (`hits_50`), `iou`, `ap`, and `off_target`; `tp`, `fp`, `fn`, `tn` over
    the phrases that are asked for, of an answer that can be read.
    """
    name = label if getattr(verifier.parameters, "labels", True) else _nothing
    found = [name(item.phrase) for item in answer.objects]
    there = [name(target.phrase) for target in truth.objects]
    areas = [_area(item, image) for item in answer.objects if item.point is None]
    sums: dict[str, float] = {
        "objects": len(found),
        "truths": len(there),
        "duplicates": count_duplicates(answer.objects, found),
        "regions": len(areas),
        "large": sum(area > LARGE for area in areas),
    }
    if not is_unread(answer):
        sums |= _presence({name(phrase) for phrase in truth.phrases}, found, there)
    overlaps = _overlaps(answer.objects, truth.objects, verifier.shapes, image)
    if overlaps is not None:
        sums |= _quality(answer.objects, overlaps, found, there)
    return sums


def _nothing(_: str) -> str:
    return ""


def _presence(asked: Collection[str], found: Sequence[str], there: Sequence[str]) -> dict[str, int]:
    """Of a truth that names no phrase at all the pair is the picture itself."""
    if not asked:
        return {"fp" if found else "tn": 1}
    kinds = {(True, True): "tp", (True, False): "fn", (False, True): "fp", (False, False): "tn"}
    return Counter(kinds[phrase in there, phrase in found] for phrase in asked)


def _quality(items: Sequence[Item], overlaps: Overlaps, found: Sequence[str], there: Sequence[str]) -> dict[str, float]:
    known = {phrase: number for number, phrase in enumerate(dict.fromkeys([*there, *found]))}
    rows, columns = [known[phrase] for phrase in found], [known[phrase] for phrase in there]
    same = np.where(np.array(rows, np.int64)[:, None] == np.array(columns, np.int64), overlaps, 0.0)
    sums = {
        "compared_objects": len(found),
        "compared_truths": len(there),
        "iou": sum(float(same[pair]) for pair in hungarian(same, 0.0)),
        "off_target": int((overlaps.max(axis=1, initial=0.0) < TOUCHING).sum()),
    }
    sums |= {f"hits_{threshold * 100:.0f}": len(most_pairs(same, threshold)) for threshold in THRESHOLDS}
    if there:
        scores = [1.0 if item.score is None else item.score for item in items]
        sums |= {"pictures_with_truth": 1, "ap": coco_average_precision(same, scores, rows, columns, COCO)}
    return sums


def _overlaps(items: Sequence[Item], targets: Sequence[Target], shapes: Sequence[str], image: Size) -> Overlaps | None:
    """(N, M) IoUs, of masks where both sides have any, else of boxes; None where the truth has neither.

    What has another shape than that overlaps nothing. None too where points would do and the answer has some or none.
    """
    if "point" in shapes and not (items and all(item.point is None for item in items)):
        return None
    masks = "rings" in shapes and all(target.mask or target.rings for target in targets)
    boxes = not {"bbox", "keypoints"}.isdisjoint(shapes) and all(target.bbox for target in targets)
    overlaps = np.zeros((len(items), len(targets)))
    if masks and (not boxes or any(item.rings for item in items)):
        size = image[1], image[0]
        drawn = [spans.from_rings(item.rings, size) if item.rings else None for item in items]
        true = [_true_mask(target, size) for target in targets]
        for row, one in enumerate(drawn):
            for column, other in enumerate(true):
                if one is not None and one.area and other.area:
                    common = spans.overlap(one, other)
                    overlaps[row, column] = common / (one.area + other.area - common)
        return overlaps
    if not boxes:
        return None
    rows = [i for i, item in enumerate(items) if item.bbox is not None]
    sides = ([item.bbox for item in side if item.bbox is not None] for side in (items, targets))
    overlaps[rows] = iou(*map(as_boxes, sides))
    return overlaps


def _true_mask(target: Target, size: tuple[int, int]) -> spans.Spans:
    if target.mask is not None:
        return spans.from_mask(decode(target.mask))
    return spans.from_rings(target.rings or (), size)


def _area(item: Item, image: Size) -> float:
    """The share of the image that an object's box covers."""
    x0, y0, x1, y1 = extent(item) or (0.0, 0.0, 0.0, 0.0)
    return (x1 - x0) * (y1 - y0) / (image[0] * image[1])
