"""One response to one question, as metrics look at it: labels, overlaps and what was asked, computed when needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from pe.errors import InputError
from pe.evaluation.lines import Line
from pe.evaluation.metrics._duplicates import distinct
from pe.formats import Box, Decoded, Item, Size
from pe.geometry.boxes import area, iou
from pe.geometry.matching import Overlaps
from pe.geometry.spans import Spans
from pe.schemas.sample import Sample
from pe.verifiers import Call, Question, Truth, Verifier, check, panel, read_answers
from pe.verifiers._labels import label
from pe.verifiers._masks import Masks, draw, masks, overlaps
from pe.verifiers._policy import is_unread
from pe.verifiers.count import CountVerifier
from pe.verifiers.gui import GuiVerifier
from pe.verifiers.ocr import OcrVerifier

Kind = Literal["boxes", "masks", "points", "click", "keypoints", "texts", "transcript", "count", "other"]

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Case:
    """A response as it was read, and what is right; N objects answered, M there.

    `kind` is what is asked for: labelled boxes, masks or points, one click, instances with key points, texts in their
    places, one whole text, a number, or what no metric of objects looks at. Where the verifier compares no labels,
    every phrase is "". `scored` is the sample's own score, None where it is missing. `others` are boxes of what else
    is in the picture and was not asked for, None where nobody knows. `lines` is the response's line.
    """

    kind: Kind
    verifier: Verifier
    ability: str
    image: Size
    truth: Truth
    answer: Decoded
    line: Line
    scored: float | None = None
    others: tuple[Box, ...] | None = None

    @cached_property
    def there(self) -> list[str]:
        """(M,) labels of the truth."""
        return [label(item.phrase) for item in self.truth.objects]

    @cached_property
    def asked(self) -> list[str]:
        """Every label that is asked for, there or not; "" alone where no phrase is."""
        return list(dict.fromkeys(map(label, self.truth.phrases))) or [""]

    @cached_property
    def taken_as(self) -> list[str]:
        """(N,) `found`, as answers to `asked`: all of them are where no phrase is asked for."""
        return self.found if self.truth.phrases else [""] * len(self.answer.objects)

    @cached_property
    def found(self) -> list[str]:
        """(N,) labels of the answer; what nobody asked for is "" where something without a phrase is asked for."""
        known = set(map(label, self.truth.phrases))
        names = [label(item.phrase) for item in self.answer.objects]
        return ["" if "" in known and name not in known else name for name in names]

    @cached_property
    def same(self) -> npt.NDArray[np.bool_]:
        """(N, M) whether the labels are the same."""
        numbers: dict[str, int] = {}
        there = np.array([numbers.setdefault(name, len(numbers)) for name in self.there], np.int64)
        found = np.array([numbers.get(name, -1) for name in self.found], np.int64)
        same: npt.NDArray[np.bool_] = found[:, None] == there
        return same

    @cached_property
    def scores(self) -> npt.NDArray[np.float64]:
        """(N,) the answer's own scores, 1 where none is given."""
        return np.array([1.0 if item.score is None else item.score for item in self.answer.objects], np.float64)

    @cached_property
    def unread(self) -> bool:
        """Whether nothing could be read, not even that nothing is there."""
        return is_unread(self.answer)

    @cached_property
    def boxes(self) -> npt.NDArray[np.float64]:
        """(N, 4) boxes of the answer; zeros for an object that is none."""
        return np.array([item.bbox or _NOWHERE for item in self.answer.objects], np.float64).reshape(-1, 4)

    @cached_property
    def true_boxes(self) -> npt.NDArray[np.float64]:
        """(M, 4) boxes of the truth; zeros for an object without."""
        return np.array([item.bbox or _NOWHERE for item in self.truth.objects], np.float64).reshape(-1, 4)

    @cached_property
    def box_overlaps(self) -> Overlaps:
        """(N, M) IoU of boxes, whatever the labels."""
        return iou(self.boxes, self.true_boxes)

    @cached_property
    def true_masks(self) -> Masks:
        """The masks of the truth. Raises ValueError for an object without."""
        return masks(self.truth, Call("", self.image))

    @cached_property
    def drawn(self) -> list[Spans]:
        """(N,) the answer's outlines drawn by even-odd; empty ones where they are a scribble (see verifiers)."""
        found = draw(self.answer, self.true_masks)
        if found is None:
            nothing = np.empty(0, np.int64)
            return [Spans(self.true_masks.size, nothing, nothing)] * len(self.answer.objects)
        return found

    @cached_property
    def mask_overlaps(self) -> Overlaps:
        """(N, M) IoU of masks, whatever the labels."""
        if not self.answer.objects or not self.truth.objects:
            return np.zeros((len(self.answer.objects), len(self.truth.objects)))
        nameless = replace(self.true_masks, labels=("",) * len(self.truth.objects))
        return overlaps(self.answer, self.drawn, nameless)

    @cached_property
    def overlaps(self) -> Overlaps:
        """(N, M) IoU of what is asked for, masks or boxes, whatever the labels."""
        return self.mask_overlaps if self.kind == "masks" else self.box_overlaps

    @cached_property
    def labelled(self) -> Overlaps:
        """`overlaps`, 0 where labels differ."""
        return np.where(self.same, self.overlaps, 0.0)

    @cached_property
    def areas(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(N,) and (M,) areas in square pixels: of masks where they are asked for or known, else of boxes."""
        if self.kind == "masks":
            mine, true = [item.area for item in self.drawn], [item.area for item in self.true_masks.spans]
            return np.array(mine, np.float64), np.array(true, np.float64)
        return area(self.boxes), area(self.true_boxes)

    def only(self, objects: Sequence[int], truths: Sequence[int] | None = None) -> Case:
        """This case with some objects of the answer, and of the truth."""
        answer = replace(self.answer, objects=tuple(self.answer.objects[index] for index in objects))
        truth = self.truth
        if truths is not None:
            kept = tuple(truth.objects[index] for index in truths)
            left = {item.phrase for item in kept}
            truth = truth.model_copy(
                update={"objects": kept, "negatives": tuple(name for name in truth.phrases if name not in left)}
            )
        return replace(self, answer=answer, truth=truth)

    def without_duplicates(self) -> Case:
        """This case without objects that repeat an earlier one; itself where there is none."""
        kept = distinct(self.answer.objects, self.found)
        return self if len(kept) == len(self.answer.objects) else self.only(kept)


def read_case(sample: Sample, line: Line, scored: float | None, others: tuple[Box, ...] | None = None) -> Case:
    """The case of a response to `sample`. Raises InputError where the sample's question is of no use."""
    question = Question.of(sample)
    check(question)
    verifier = panel(question.verifier, question.params_json).verifiers[0]
    truth, (answer,) = read_answers(question, [line.response])
    kind = _kind(verifier, truth)
    if not getattr(verifier.parameters, "labels", True):
        nameless = tuple(item.model_copy(update={"phrase": ""}) for item in truth.objects)
        truth = truth.model_copy(update={"objects": nameless, "negatives": ("",) if truth.negatives else ()})
        answer = replace(answer, objects=tuple(map(_nameless, answer.objects)))
    case = Case(kind, verifier, sample.ability, question.image, truth, answer, line, scored, others)
    if kind in ("masks", "points") and all(item.mask or item.rings for item in truth.objects):
        try:
            _ = case.true_masks
        except ValueError as error:
            raise InputError(f"{question.verifier}: the ground truth cannot be used: {error}") from None
    return case


def _nameless(item: Item) -> Item:
    return replace(item, phrase="")


def _kind(verifier: Verifier, truth: Truth) -> Kind:
    """What a question asks for, from the verifier and the truth alone, so that no answer changes it."""
    shapes = set(verifier.shapes)
    boxed = all(item.bbox is not None for item in truth.objects)
    if isinstance(verifier, OcrVerifier):
        return "transcript" if verifier.parameters.region == "none" else "texts"
    if isinstance(verifier, CountVerifier):
        return "count"
    if isinstance(verifier, GuiVerifier):
        return "click"
    if "keypoints" in shapes:
        whole = boxed and all(item.keypoints is not None for item in truth.objects)
        return "keypoints" if whole else "other"
    if "rings" in shapes:
        return "masks" if all(item.mask or item.rings for item in truth.objects) else "other"
    if "bbox" in shapes and boxed and getattr(verifier.parameters, "task", "") not in ("counting", "ocr"):
        return "boxes"
    return "points" if "point" in shapes else "other"
