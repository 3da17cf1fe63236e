"""What a sample is: one image and one JSON record, typed, and their wire form.

Geometry is absolute pixels of the stored image as floats, origin top left, edge coordinates: a box covers
[x0, x1) x [y0, y1). Coordinates are kept to 1/64 px, scores to 4 decimals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

KEY_PATTERN = r"^[A-Za-z0-9_-]{1,95}$"  # KEY.json has to fit into the 100 bytes of a plain tar name


def clean_text(text: str) -> str:
    """`text` as it may stand in a record: lone surrogates become escapes, NUL is dropped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")


_LONE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def loads(data: bytes, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The JSON in `data`, its texts as they may stand in a record. Raises ValueError, RecursionError."""
    text = data.decode(json.detect_encoding(data), "surrogatepass")
    value = json.loads(text, object_hook=hook)
    return clean_texts(value) if _LONE.search(text) else value


def clean_texts(value: Any) -> Any:
    """`value` in JSON's types with every text, keys too, as it may stand in a record."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean_texts(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean_texts(item) for key, item in value.items()}
    return value


def is_coordinate(value: Any) -> bool:
    """Whether `value` is a number, finite and small enough for `to_grid` to keep it."""
    return type(value) in (int, float) and abs(value) < 1e9


def to_grid(value: float) -> float:
    """`value` in pixels rounded to the 1/64 px that records keep."""
    return round(float(value) * 64.0) / 64.0


def dumps(value: Any) -> str:
    """Compact JSON with the key order given; NaN and infinity raise ValueError."""
    return _encode(value)


# json.dumps makes an encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

Text = Annotated[str, AfterValidator(clean_text)]
Pixel = Annotated[float, AfterValidator(to_grid)]
Pixels = Annotated[list[float], AfterValidator(lambda values: [round(value * 64.0) / 64.0 for value in values])]
Score = Annotated[float, AfterValidator(lambda value: round(value, 4))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Rle(_Strict):
    """A COCO run-length mask: `size` is [height, width], `counts` COCO's compressed string."""

    size: tuple[int, int]
    counts: str


class Object(_Strict):
    """One instance. What is absent is left out of the JSON.

    `rings` are flat [x, y, x, y, ...] lists on pixel edges; the sign of a ring's shoelace sum tells outer rings from
    holes. `epsilon` is the fraction of a ring's perimeter used to simplify; `ring_iou` the IoU of the rasterised rings
    with the mask.
    """

    id: int
    phrase: Text
    score: Score = 1.0
    bbox: tuple[Pixel, Pixel, Pixel, Pixel]
    mask: Rle | None = None
    rings: list[Pixels] | None = None
    orientation: Literal["cw", "ccw", "simpleseg-compat"] | None = None
    epsilon: float | None = None
    ring_iou: Score | None = None
    predicted_iou: Score | None = None
    stability: Score | None = None
    caption: Text | None = None
    point: tuple[Pixel, Pixel] | None = None
    text: Text | None = None
    quad: Pixels | None = None
    keypoints: list[float] | None = None


class RewardModel(_Strict):
    """How a sample is scored: score = sum(weight * component) / sum(weight)."""

    style: str = "rule"
    ground_truth: str = "{}"
    weights_json: str = "{}"


class Verifier(_Strict):
    """Which verifier scores a sample, and its parameters as a JSON object."""

    name: str = ""
    params_json: str = "{}"


class Sample(_Strict):
    """The record of every shard: exactly these keys, never null, the unused ones empty."""

    key: str = Field(pattern=KEY_PATTERN)
    kind: Literal["annotated", "sft", "rl"] = "annotated"
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    format: Literal["JPEG", "PNG", "WEBP"]
    sha256: str
    source: Text
    source_sha256: str
    reencoded: bool = False
    url: Text = ""
    license: Text = ""
    opt_out: bool = False
    data_source: Text
    ability: str = ""
    caption: Text = ""
    objects_json: str = "[]"
    negatives_json: str = "[]"
    messages_json: str = "[]"
    gold_text: str = ""
    input_width: int = 0
    input_height: int = 0
    token_count: int = 0
    ceilings_json: str = "[]"
    reward_model: RewardModel
    verifier: Verifier
    provenance_json: str = "{}"

    def to_json(self) -> bytes:
        """The record's wire form: one line of UTF-8 JSON with a fixed key order."""
        return dumps(self.model_dump(mode="python")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Sample:
        """Read a record back; raises pydantic.ValidationError for any missing, unknown or null key."""
        return cls.model_validate_json(data)

    def objects(self) -> list[Object]:
        """The instances of `objects_json`; shared with who asked before, so copy one before you change it."""
        return list(_objects(self.objects_json))


_OBJECTS = TypeAdapter(list[Object])


@lru_cache(maxsize=4)
def _objects(text: str) -> tuple[Object, ...]:
    # Several tasks in a row ask for those of one record.
    return tuple(_OBJECTS.validate_json(text))


def objects_to_json(objects: list[Object]) -> str:
    """The wire form of `objects`: absent fields are left out."""
    return dumps([item.model_dump(mode="python", exclude_none=True) for item in objects])
