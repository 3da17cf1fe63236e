"""What is right: the ground truth of a sample, as its JSON says it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from pe.errors import InputError
from pe.schemas.sample import Rle


class TruthError(InputError):
    """A ground truth that cannot be read, or not used by the verifier that it is for."""


def _finite(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a coordinate is not finite")
    return numbers


def _ring(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError("a ring is x, y, x, y, ... of at least three vertices")
    return _finite(numbers)


Ring = Annotated[tuple[float, ...], AfterValidator(_ring)]
Point = Annotated[tuple[float, float], AfterValidator(_finite)]
Box = Annotated[tuple[float, float, float, float], AfterValidator(_finite)]


class Target(BaseModel):
    """One object of the truth, in absolute pixels of the stored image (edge coordinates, origin top left).

    It has whatever is known of it; a verifier says what it needs. `rings` are flat x, y, x, y, ..., all drawn together
    by even-odd, so that a ring inside a ring is a hole. `keypoints` are name to x, y, or None for one that cannot be
    seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrase: str = ""
    bbox: Box | None = None
    point: Point | None = None
    rings: tuple[Ring, ...] | None = None
    mask: Rle | None = None
    keypoints: Mapping[str, Point | None] | None = None
    text: str = ""


class Truth(BaseModel):
    """The ground truth: `objects`, phrases that are asked for and not there (`negatives`), and the right `text`.

    `count` is the right number where only that is known. `options` are a choice's, by letter. `question` is what was
    asked, for a judge to read. `written` is the gold text of a truth that came as text and not as JSON.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    objects: tuple[Target, ...] = ()
    negatives: tuple[str, ...] = ()
    text: str = ""
    count: int | None = None
    options: Mapping[str, str] | None = None
    question: str = ""
    written: str = ""

    @model_validator(mode="before")
    @classmethod
    def _take_a_list(cls, value: Any) -> Any:
        return {"objects": value} if isinstance(value, list) else value

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase that is asked for, there or not, once and in order."""
        return tuple(dict.fromkeys((*(item.phrase for item in self.objects), *self.negatives)))


def read_truth(ground_truth: str) -> Truth:
    """The truth of a `reward_model.ground_truth`: a JSON object (or list of objects), or else the gold text itself.

    Raises TruthError for JSON of another form.
    """
    text = ground_truth.strip()
    if text[:1] not in ("{", "["):
        return Truth(written=ground_truth)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Truth(written=ground_truth)
    try:
        return Truth.model_validate(value)
    except ValidationError as error:
        if not isinstance(value, dict) or not value.keys() & Truth.model_fields.keys():
            return Truth(written=ground_truth)
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise TruthError(f"ground truth: {where}: {first['msg']}") from None
