"""How good labels are: annotated samples held against ground truth, per phrase and overall."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pe.errors import InputError
from pe.evaluation.metrics._average_precision import AveragePrecision
from pe.evaluation.metrics._caption_facts import CaptionFacts
from pe.evaluation.picture import HIT, Compared
from pe.evaluation.tally import Tally, share
from pe.evaluation.truth import Truth, annotated, load_truth, normal
from pe.geometry.matching import Overlaps, hungarian
from pe.schemas.sample import Sample
from pe.shards.read import shards_of

_AP = ("ap", "ap50", "ap75")


@dataclass(frozen=True)
class Score:
    """`overall` and each of `phrases` hold a Tally's figures, ap, ap50, ap75 and the same of masks.

    `pictures` accounts for every sample and every truth, `captions` has CaptionFacts' figures. In `overall`,
    predictions, not_judged, in_crowd and below_min_score add up to all labels of the pictures scored.
    """

    pictures: dict[str, int]
    overall: dict[str, Any]
    captions: dict[str, int | float | None]
    phrases: dict[str, dict[str, Any]]


def score_labels(shards: Path, truth: Path, min_score: float = 0.0) -> Score:
    """Score the annotated samples of `shards`, an output folder or a shard's .tar, against `truth`; see load_truth.

    Labels of a score below `min_score` are left out. Raises InputError when no picture of one is in the other.
    """
    found = shards_of(shards)
    known = load_truth(truth)
    scorer = _Scorer(min_score)
    pictures = Counter(scored=0, without_truth=0, ambiguous_name=0, other_size=0)
    samples = (sample for shard in found for sample in annotated(shard))
    for sample in samples:
        answer = known.find(sample)
        pictures[answer if isinstance(answer, str) else "scored"] += 1
        if isinstance(answer, Truth):
            scorer.add(sample, answer)
    if not pictures["scored"]:
        why = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in pictures.items() if count)
        raise InputError(
            f"{shards}: none of its {sum(pictures.values()):,} pictures can be scored by the {known.size:,} of "
            f"{truth}; they are compared by {known.by} ({why or 'no samples'})"
        )
    return scorer.score(dict(pictures) | {"truth_without_sample": known.unpaired})


class _Scorer:
    def __init__(self, min_score: float) -> None:
        self._min_score = min_score
        self._left_out = Counter(below_min_score=0, not_judged=0, in_crowd=0)
        self._all = Tally()
        self._phrases: dict[str, Tally] = defaultdict(Tally)
        self._box_ap: dict[str, AveragePrecision] = defaultdict(AveragePrecision)
        self._mask_ap: dict[str, AveragePrecision] = defaultdict(AveragePrecision)
        self._captions = CaptionFacts()
        self._found_anyhow = 0
        self._masks_found = self._masks_known = False

    def add(self, sample: Sample, truth: Truth) -> None:
        """Count one picture."""
        every = sample.objects()
        objects = [item for item in every if item.score >= self._min_score]
        phrases = [normal(item.phrase) for item in objects]
        self._left_out["below_min_score"] += len(every) - len(objects)
        self._left_out["not_judged"] += sum(phrase not in truth.judged for phrase in phrases)
        self._masks_found |= any(item.mask is not None for item in objects)
        self._masks_known |= any(item.mask is not None for item in truth.objects)
        compared = Compared(objects, truth.objects)
        self._found_anyhow += len(hungarian(compared.boxes[:, ~compared.crowd], HIT))
        scores = np.array([item.score for item in objects])
        for phrase in sorted(truth.judged & ({item.phrase for item in truth.objects} | set(phrases))):
            rows = [i for i, name in enumerate(phrases) if name == phrase]
            columns = [j for j, item in enumerate(truth.objects) if item.phrase == phrase]
            block = np.ix_(rows, columns)
            self._boxes(compared, phrase, rows, columns)
            self._box_ap[phrase].add(scores[rows], compared.boxes[block], compared.crowd[columns])
            if all(truth.objects[j].mask is not None for j in columns):
                self._masks(compared, phrase, rows, columns)
                self._mask_ap[phrase].add(scores[rows], compared.masks[block], compared.crowd[columns])
        there = Counter(item.phrase for item in truth.objects if not item.crowd)
        self._captions.add(sample.caption, there, truth.judged, {item.phrase for item in truth.objects if item.crowd})

    def _boxes(self, compared: Compared, phrase: str, rows: list[int], columns: list[int]) -> None:
        pairs, counted = compared.match(compared.boxes, rows, columns)
        self._left_out["in_crowd"] += len(rows) - len(counted)
        misses = [i for i in counted if i not in pairs]
        others = [j for j in range(len(compared.crowd)) if j not in columns and not compared.crowd[j]]
        either = np.maximum(compared.boxes, compared.masks)
        counts = {
            "truths": int((~compared.crowd[columns]).sum()),
            "predictions": len(counted),
            "hits": len(pairs),
            "duplicates": _touching(compared.boxes, misses, list(pairs.values())),
            "wrong_phrase": _touching(either, misses, others),
            "on_absent_phrases": 0 if columns else len(misses),
        }
        agreements = [compared.agreement(row, column) for row, column in pairs.items()]
        for tally in (self._all, self._phrases[phrase]):
            tally.counts.update(counts)
            for values in agreements:
                tally.add_values(values)

    def _masks(self, compared: Compared, phrase: str, rows: list[int], columns: list[int]) -> None:
        pairs, counted = compared.match(compared.masks, rows, columns)
        truths = int((~compared.crowd[columns]).sum())
        for tally in (self._all, self._phrases[phrase]):
            tally.counts.update(mask_truths=truths, mask_predictions=len(counted), mask_hits=len(pairs))

    def score(self, pictures: dict[str, int]) -> Score:
        """All that was counted."""
        masks = self._masks_found and self._masks_known
        phrases = {}
        for phrase, tally in sorted(self._phrases.items()):
            figures = tally.as_dict(masks) | _averages("", self._box_ap[phrase])
            phrases[phrase] = figures | _averages("mask_", self._mask_ap[phrase] if masks else AveragePrecision())
        overall = self._all.as_dict(masks)
        for name in (*_AP, *(f"mask_{name}" for name in _AP)):
            values = [figures[name] for figures in phrases.values() if figures[name] is not None]
            overall[name] = share(float(np.sum(values)), len(values))
        overall["box_recall_any_phrase"] = share(self._found_anyhow, overall["truths"])
        overall |= self._left_out
        return Score(pictures, overall, self._captions.as_dict(), phrases)


def _touching(overlaps: Overlaps, rows: list[int], columns: list[int]) -> int:
    """How many of `rows` reach a hit's overlap with any of `columns`."""
    return int((overlaps[np.ix_(rows, columns)] >= HIT).any(axis=1).sum())


def _averages(prefix: str, gathered: AveragePrecision) -> dict[str, float | None]:
    values = gathered.result()
    means = (None, None, None) if values is None else (float(values.mean()), float(values[0]), float(values[5]))
    return {f"{prefix}{name}": value for name, value in zip(_AP, means, strict=True)}
