"""How good labels are: annotated samples held against ground truth, per phrase and overall."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from pe.errors import InputError
from pe.evaluation.metrics.average_precision import AveragePrecision
from pe.evaluation.metrics.boundary import boundary_f
from pe.evaluation.metrics.caption_facts import claims, right
from pe.evaluation.truth import TrueObject, Truth, TruthSet, load_truth, normal, shards_of
from pe.geometry.masks import decode, mask_iou
from pe.geometry.matching import Overlaps, hungarian
from pe.geometry.raster import rings_to_mask
from pe.schemas.sample import Object, Sample

HIT = 0.5
"""The IoU from which a prediction of the right phrase is a hit: of masks where both sides have them, else of boxes."""


@dataclass
class Tally:
    """Counts and sums over the pictures of one phrase, or of all."""

    truths: int = 0
    predictions: int = 0
    hits: int = 0
    duplicates: int = 0
    wrong_phrase: int = 0
    absent: int = 0
    mask_ious: list[float] = field(default_factory=list)
    box_ious: list[float] = field(default_factory=list)
    ring_ious: list[float] = field(default_factory=list)
    boundaries: list[float] = field(default_factory=list)
    iou_errors: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Counts as they are, rates and means; None for a mean of nothing."""
        precision, recall = _share(self.hits, self.predictions), _share(self.hits, self.truths)
        both = (precision or 0.0) + (recall or 0.0)
        return {
            "truths": self.truths,
            "predictions": self.predictions,
            "hits": self.hits,
            "precision": precision,
            "recall": recall,
            "f1": 2 * (precision or 0.0) * (recall or 0.0) / both if both else (0.0 if self.truths else None),
            "mask_iou": _mean(self.mask_ious),
            "box_iou": _mean(self.box_ious),
            "ring_iou": _mean(self.ring_ious),
            "boundary_f": _mean(self.boundaries),
            "predicted_iou_error": _mean(self.iou_errors),
            "duplicates": self.duplicates,
            "wrong_phrase": self.wrong_phrase,
            "on_absent_phrases": self.absent,
        }


@dataclass
class Score:
    """The result. `overall` and each of `phrases` hold Tally's figures and ap, ap50, ap75, mask_ap, mask_ap50."""

    overall: dict[str, Any]
    phrases: dict[str, dict[str, Any]]
    pictures: dict[str, int]
    captions: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "pictures": self.pictures,
            "overall": self.overall,
            "captions": self.captions,
            "phrases": self.phrases,
        }


def score_labels(shards: Path, truth: Path) -> Score:
    """Score the annotated samples of `shards` (an output folder or a shard's .tar) against `truth`; see load_truth.

    Raises InputError when no picture of one is in the other.
    """
    known = load_truth(truth)
    scorer = _Scorer()
    for sample, _ in shards_of(shards):
        scorer.add(sample, known)
    if not scorer.pictures["scored"]:
        raise InputError(
            f"no picture of {shards} ({scorer.pictures['without_truth']} samples) is among the {known.size} of "
            f"{truth}; they are compared by {known.by}"
        )
    scorer.pictures["truth_without_sample"] = known.size - scorer.pictures["scored"]
    return scorer.score()


class _Scorer:
    def __init__(self) -> None:
        self.pictures = Counter(scored=0, without_truth=0, other_size=0)
        self._all = Tally()
        self._phrases: dict[str, Tally] = defaultdict(Tally)
        self._box_ap: dict[str, AveragePrecision] = defaultdict(AveragePrecision)
        self._mask_ap: dict[str, AveragePrecision] = defaultdict(AveragePrecision)
        self._not_judged = 0
        self._found_anyhow = 0
        self._claimed = self._true_claims = self._facts = self._unread = 0

    def add(self, sample: Sample, known: TruthSet) -> None:
        """Count one sample."""
        try:
            truth = known.find(sample)
        except InputError:
            self.pictures["other_size"] += 1
            return
        if truth is None:
            self.pictures["without_truth"] += 1
            return
        self.pictures["scored"] += 1
        every = [(normal(item.phrase), item) for item in sample.objects()]
        found = [(phrase, item) for phrase, item in every if phrase in truth.judged]
        self._not_judged += len(every) - len(found)
        self._caption(sample, truth)
        objects = [item for _, item in found]
        boxes, masks = _overlaps(objects, truth.objects)
        best = boxes if masks is None else masks
        real = [j for j, item in enumerate(truth.objects) if not item.crowd]
        self._found_anyhow += len(hungarian(boxes[:, real], HIT))
        for phrase in sorted({phrase for phrase, _ in found} | {item.phrase for item in truth.objects}):
            rows = [i for i, (name, _) in enumerate(found) if name == phrase]
            columns = [j for j, item in enumerate(truth.objects) if item.phrase == phrase]
            crowd = np.array([truth.objects[j].crowd for j in columns], bool)
            scores = [objects[i].score for i in rows]
            self._box_ap[phrase].add(scores, boxes[np.ix_(rows, columns)], crowd)
            if masks is not None:
                self._mask_ap[phrase].add(scores, masks[np.ix_(rows, columns)], crowd)
            self._match(phrase, rows, columns, found, truth, best, boxes)

    def _match(
        self,
        phrase: str,
        rows: list[int],
        columns: list[int],
        found: list[tuple[str, Object]],
        truth: Truth,
        best: Overlaps,
        boxes: Overlaps,
    ) -> None:
        real = [j for j in columns if not truth.objects[j].crowd]
        regions = [j for j in columns if truth.objects[j].crowd]
        pairs = {rows[i]: real[j] for i, j in hungarian(best[np.ix_(rows, real)], HIT)}
        counted = [i for i in rows if i in pairs or not (best[i, regions] >= HIT).any()]
        taken = set(pairs.values())
        others = [j for j, item in enumerate(truth.objects) if item.phrase != phrase and not item.crowd]
        missed = [i for i in counted if i not in pairs]
        duplicates = sum(any(best[i, j] >= HIT for j in taken) for i in missed)
        wrong = sum(bool((best[i, others] >= HIT).any()) for i in missed)
        for tally in (self._all, self._phrases[phrase]):
            tally.truths += len(real)
            tally.predictions += len(counted)
            tally.hits += len(pairs)
            tally.duplicates += duplicates
            tally.wrong_phrase += wrong
            tally.absent += 0 if columns else len(missed)
        for i, j in pairs.items():
            self._hit(phrase, found[i][1], truth.objects[j], float(boxes[i, j]))

    def _hit(self, phrase: str, item: Object, true: TrueObject, box_iou: float) -> None:
        tallies = (self._all, self._phrases[phrase])
        for tally in tallies:
            tally.box_ious.append(box_iou)
        if true.mask is None:
            return
        there = decode(true.mask)
        if item.rings:
            height, width = there.shape
            drawn = rings_to_mask(item.rings, height, width, item.orientation or "cw")
            for tally in tallies:
                tally.ring_ious.append(mask_iou(drawn, there))
        if item.mask is not None:
            mask = decode(item.mask)
            iou, border = mask_iou(mask, there), boundary_f(mask, there)
            for tally in tallies:
                tally.mask_ious.append(iou)
                tally.boundaries.append(border)
                if item.predicted_iou is not None:
                    tally.iou_errors.append(abs(item.predicted_iou - iou))

    def _caption(self, sample: Sample, truth: Truth) -> None:
        there = Counter(item.phrase for item in truth.objects if not item.crowd)
        self._facts += len(there)
        if not sample.caption:
            return
        claimed, unread = claims(sample.caption, truth.judged)
        self._claimed += len(claimed)
        self._true_claims += right(claimed, there)
        self._unread += unread

    def score(self) -> Score:
        """All that was counted."""
        phrases = {}
        for phrase, tally in sorted(self._phrases.items()):
            phrases[phrase] = {**tally.as_dict(), **_ap(self._box_ap[phrase], self._mask_ap.get(phrase))}
        overall = self._all.as_dict()
        overall["box_recall_any_phrase"] = _share(self._found_anyhow, self._all.truths)
        overall["not_judged"] = self._not_judged
        for name in ("ap", "ap50", "ap75", "mask_ap", "mask_ap50", "mask_ap75"):
            values = [figures[name] for figures in phrases.values() if figures.get(name) is not None]
            overall[name] = _mean(values)
        captions = {
            "claims": self._claimed,
            "claims_unread": self._unread,
            "precision": _share(self._true_claims, self._claimed),
            "recall": _share(self._true_claims, self._facts),
        }
        return Score(overall, phrases, dict(self.pictures), captions)


def _ap(box: AveragePrecision, mask: AveragePrecision | None) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for prefix, gathered in (("", box), ("mask_", mask)):
        values = gathered.result() if gathered is not None else None
        if values is None:
            figures |= {f"{prefix}{name}": None for name in ("ap", "ap50", "ap75")}
        else:
            figures |= {
                f"{prefix}ap": float(values.mean()),
                f"{prefix}ap50": float(values[0]),
                f"{prefix}ap75": float(values[5]),
            }
    return figures


def _overlaps(found: Sequence[Object], truth: Sequence[TrueObject]) -> tuple[Overlaps, Overlaps | None]:
    """(N, M) IoU of boxes, and of masks where every object of both has one; of a crowd, the share inside it (COCO)."""
    crowd = [int(item.crowd) for item in truth]
    shape = (len(found), len(truth))
    if not found or not truth:
        return np.zeros(shape), np.zeros(shape)
    boxes = coco.iou(_xywh([item.bbox for item in found]), _xywh([item.box for item in truth]), crowd)
    masks = None
    left, right_ = [item.mask for item in found], [item.mask for item in truth]
    if all(mask is not None for mask in (*left, *right_)):
        runs = [
            [{"size": list(mask.size), "counts": mask.counts.encode()} for mask in side if mask is not None]
            for side in (left, right_)
        ]
        masks = np.asarray(coco.iou(*runs, crowd), np.float64).reshape(shape)
    return np.asarray(boxes, np.float64).reshape(shape), masks


def _xywh(boxes: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    array = np.array(boxes, np.float64)
    array[:, 2:] -= array[:, :2]
    return array


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
