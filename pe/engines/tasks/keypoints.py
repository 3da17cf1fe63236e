"""Key points: boxes of a kind of body, each with its named points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from pe.engines.tasks._asking import Asking, AskingTask, missing, one
from pe.engines.tasks._base import Exchange
from pe.engines.tasks._said import by_phrase
from pe.engines.tasks._shapes import in_order, target
from pe.formats import Answer, Format, Item, Point
from pe.schemas.sample import Object, Sample

__all__ = ["Keypoints"]

_SIDES = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_PERSON = (
    *("nose", "left eye", "right eye", "left ear", "right ear"),
    *(f"{side} {part}" for part in _SIDES for side in ("left", "right")),
)
_LEGS = ("shoulder", "elbow", "front paw", "hip", "knee", "back paw")
_ANIMAL = (
    *("left eye", "right eye", "nose", "neck", "root of tail"),
    *(f"{side} {part}" for side, parts in (("left", _LEGS[:3]), ("right", _LEGS[:3])) for part in parts),
    *(f"{side} {part}" for side, parts in (("left", _LEGS[3:]), ("right", _LEGS[3:])) for part in parts),
)
_SKELETONS = {"person": _PERSON, "animal": _ANIMAL}


class KeypointsParameters(Asking):
    """`skeletons`: the names of a phrase's points in the order of the record, "" standing for every other phrase.

    "person" is short for COCO's 17 points, "animal" for AP-10K's.
    """

    skeletons: dict[str, Literal["person", "animal"] | tuple[str, ...]] = Field(default={"person": "person"})


class Keypoints(AskingTask):
    """One question for each phrase that has key points, and for each with a skeleton that is not there.

    A record's key points are x, y, v for each name, v 0 for one that is not seen; an occluded one (v 1) counts as seen.
    """

    Parameters = KeypointsParameters
    topics = ("keypoints",)
    verifier = "keypoints"
    ability = "keypoints"

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if "keypoints" not in form.writes:
            self.skipped["the format does not write keypoints"] += 1
            return
        groups = by_phrase(sample.objects())
        there = [
            phrase
            for phrase, objects in groups.items()
            if any(item.keypoints for item in objects)
            and self._numberable(phrase, form)
            and self._fits(phrase, objects)
        ]
        for phrase in self.some(there, rng):
            yield self._ask(phrase, in_order(groups[phrase]), form, rng)
        for phrase in missing(absent, list(groups)):
            if self._names(phrase) and self._numberable(phrase, form) and self.can_deny(form):
                yield self._ask(phrase, [], form, rng)

    def _ask(self, phrase: str, objects: list[Object], form: Format, rng: np.random.Generator) -> Exchange:
        names = self._names(phrase)
        poses = [_pose(item, names) for item in objects]
        found = list(zip(objects, poses, strict=True))
        items = tuple(Item(phrase, bbox=item.bbox, keypoints=pose) for item, pose in found)
        truth = {
            "objects": [
                target(item, phrase, keypoints={name: point and list(point) for name, point in pose.items()})
                for item, pose in found
            ],
            "negatives": [] if objects else [phrase],
        }
        values = {**one(phrase), "names": ", ".join(names)}
        return self.exchange("keypoints", form, values, Answer(items, () if objects else (phrase,)), truth, rng)

    def _names(self, phrase: str) -> tuple[str, ...]:
        skeletons = self.parameters.skeletons
        names: str | tuple[str, ...] = skeletons.get(phrase, skeletons.get("", ()))
        return _SKELETONS[names] if isinstance(names, str) else names

    def _fits(self, phrase: str, objects: list[Object]) -> bool:
        count = len(self._names(phrase))
        fits = bool(count) and all(len(item.keypoints or ()) in (0, 3 * count) for item in objects)
        if not fits:
            self.skipped["no names for the key points of a phrase"] += 1
        return fits

    def _numberable(self, phrase: str, form: Format) -> bool:
        """Whether "person" can be told from its number in "person1"."""
        if phrase.rstrip("0123456789_ ") != phrase:
            self.skipped["a phrase ends in a digit, which instances are numbered by"] += 1
            return False
        return self.askable(phrase, form)


def _pose(item: Object, names: tuple[str, ...]) -> dict[str, Point | None]:
    numbers = item.keypoints or [0.0] * (3 * len(names))
    return {
        name: (x, y) if seen else None
        for name, x, y, seen in zip(names, numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    }
