"""Responses evaluated by the samples that they answer: what every metric needs of each of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pe import registry
from pe.errors import InputError
from pe.evaluation.by_key import SamplesByKey
from pe.evaluation.case import Case, read_case
from pe.evaluation.eval_settings import EvalSettings
from pe.evaluation.lines import Line, opened, read_line
from pe.evaluation.metrics._base import Metric
from pe.evaluation.truth import Truth, TruthSet, load_truth
from pe.formats import Box
from pe.geometry.boxes import as_boxes, iou
from pe.schemas.sample import Sample
from pe.verifiers import Question, read_truth
from pe.verifiers.use.missing import score_or_missing

_EXAMPLES = 3
_ON = 0.5


class Kept:
    """What one metric keeps: for each response that it applies to a row of the answer, and of it without duplicates."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.responses = array("q")
        self._rows = {"each": array("q"), "distinct": array("q")}

    def add(self, response: int, case: Case, distinct: Case) -> None:
        """Keep response number `response` if the metric applies to it."""
        if not self.metric.applies(case):
            return
        self.responses.append(response)
        row = self.metric.add(case)
        self._rows["each"].append(row)
        self._rows["distinct"].append(row if distinct is case else self.metric.add(distinct))

    def rows(self, duplicates: bool) -> npt.NDArray[np.int64]:
        """(R,) rows of the answers, with their duplicates or without."""
        return np.array(self._rows["each" if duplicates else "distinct"], np.int64)


@dataclass
class Evaluation:
    """Responses by number: each with its key, image and data source (by number too), and its own score or NaN.

    `counts` accounts for every line and every sample; `reasons` are the first ones for what could not be evaluated.
    """

    metrics: dict[str, Kept]
    keys: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    key: array[int] = field(default_factory=lambda: array("q"))
    image: array[int] = field(default_factory=lambda: array("q"))
    source: array[int] = field(default_factory=lambda: array("q"))
    scored: array[float] = field(default_factory=lambda: array("d"))
    counts: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    @property
    def most(self) -> int:
        """The largest number of responses to one sample."""
        return int(np.bincount(np.array(self.key, np.int64), minlength=1).max())

    def add(self, sample: Sample, line: Line, others: tuple[Box, ...] | None) -> None:
        """Evaluate one response. Raises InputError where the sample's question is of no use."""
        score = score_or_missing(Question.of(sample), line.response, 1.0, line.tokens).score
        case = read_case(sample, line, score, others)
        number = len(self.key)
        self.key.append(self.keys.setdefault(sample.key, len(self.keys)))
        self.image.append(self.images.setdefault(sample.sha256, len(self.images)))
        self.source.append(self.sources.setdefault(sample.data_source, len(self.sources)))
        self.scored.append(np.nan if score is None else score)
        distinct = case.without_duplicates()
        # A box of absurd size overflows to infinity, which overlaps nothing.
        with np.errstate(over="ignore", invalid="ignore"):
            for kept in self.metrics.values():
                kept.add(number, case, distinct)


def evaluate(
    responses: Path,
    shards: Path,
    settings: EvalSettings,
    complain: Callable[[int, str], None] = lambda line, problem: None,
) -> Evaluation:
    """Evaluate `responses`, lines as `read_line` reads them, by the rl or annotated samples of `shards`.

    `shards` is an output folder or one shard's .tar. A line that cannot be read goes to `complain` with its number and
    is left out. Memory grows by a few numbers a response and metric.

    Raises InputError when nothing at all can be evaluated.
    """
    names = settings.metrics or tuple(name for name in registry.names("metrics") if not name.endswith("-compat"))
    found = Evaluation({name: Kept(registry.load("metrics", name)()) for name in names})
    scenes = load_truth(settings.scenes) if settings.scenes else None
    counts = dict.fromkeys(
        (
            *("lines", "evaluated", "failed", "beyond", "repeated", "unknown_keys", "bad_lines", "unusable"),
            *("samples", "unanswered"),
        ),
        0,
    )
    seen: dict[str, set[int]] = {}
    with SamplesByKey(shards) as samples, opened(responses) as lines:
        counts["samples"] = samples.count
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            counts["lines"] += 1
            try:
                line = read_line(text)
            except InputError as error:
                counts["bad_lines"] += 1
                complain(number, str(error))
                continue
            sample = None if line.error else samples.find(line.key)
            place = _place(sample, line, seen, settings.most_samples)
            counts[place] += 1
            if line.error and len(found.reasons) < _EXAMPLES:
                found.reasons.append(f"{line.key}: {line.error}")
            if sample is None or place != "evaluated":
                continue
            try:
                found.add(sample, line, _others(sample, scenes))
            except InputError as error:
                counts["evaluated"] -= 1
                counts["unusable"] += 1
                if len(found.reasons) < _EXAMPLES:
                    found.reasons.append(f"{line.key}: {error}")
        counts["unanswered"] = samples.unanswered()
    found.counts = counts
    if not found.key:
        why = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        because = f": {'; '.join(found.reasons)}" if found.reasons else ""
        raise InputError(f"{responses}: no response can be evaluated by {shards} ({why}){because}")
    return found


def _place(sample: Sample | None, line: Line, seen: dict[str, set[int]], most: int | None) -> str:
    """Which count a line goes into."""
    if line.error:
        return "failed"
    if sample is None:
        return "unknown_keys"
    before = seen.setdefault(line.key, set())
    number = len(before) if line.sample is None else line.sample
    if number in before:
        return "repeated"
    if most is not None and len(before) >= most:
        return "beyond"
    before.add(number)
    return "evaluated"


def _others(sample: Sample, scenes: TruthSet | None) -> tuple[Box, ...] | None:
    """Boxes of what is in the picture and was not asked for, None where nobody knows."""
    if scenes is not None:
        truth = scenes.find(sample)
        boxes: Any = [item.box for item in truth.objects] if isinstance(truth, Truth) else None
    else:
        known = sample.kind == "annotated" or sample.objects_json != "[]"
        boxes = [item.bbox for item in sample.objects()] if known else None
    if boxes is None:
        return None
    asked = as_boxes([item.bbox for item in read_truth(sample.reward_model.ground_truth).objects if item.bbox])
    apart = iou(as_boxes(boxes), asked).max(axis=1, initial=0.0) < _ON
    return tuple(box for box, other in zip(boxes, apart, strict=True) if other)
