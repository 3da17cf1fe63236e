"""What every detector, segmenter and captioner is, and what they hand to each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from pe.errors import SampleError
from pe.shards.pictures import Picture

Box = tuple[float, float, float, float]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Who made a label. Goes into every record's provenance, so it holds no path and no time."""

    adapter: str
    model: str = ""
    revision: str = ""
    sha256: str = ""
    license: str = ""


@dataclass(slots=True)
class Instance:
    """One object in flight. `box` is x0, y0, x1, y1 in stored pixels; `ref` the annotation's id in its file."""

    phrase: str
    score: float
    box: Box
    ref: str = ""


@dataclass(slots=True)
class Dropped:
    """An object that was found and not kept: too small, suppressed, empty mask ..."""

    phrase: str
    box: Box
    reason: str
    score: float = 0.0


@dataclass(slots=True)
class Detections:
    """What one image's detection gave: kept instances, what was dropped and why, phrases asked for and not found."""

    instances: list[Instance] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    negatives: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Segment:
    """One instance's mask (H, W) bool in stored pixels, or None with the `reason` it was dropped for."""

    mask: Mask | None
    predicted_iou: float | None = None
    stability: float | None = None
    reason: str = ""


@dataclass(slots=True)
class Caption:
    """The caption of a whole picture and, when regions were asked for, one per instance in order."""

    text: str
    regions: list[str] = field(default_factory=list)


class AdapterSettings(BaseModel):
    """What an adapter is built from. `device` is already resolved ("cpu", "cuda", "cuda:1")."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ""
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 4
    threads: int = 1
    annotations: str = ""
    box_threshold: float = 0.35
    text_threshold: float = 0.25
    nms_threshold: float = 0.7
    mask_threshold: float = 0.0
    url: str = ""
    prompt: str = ""
    region_captions: bool = False
    max_tokens: int = 256
    concurrency: int = 8
    timeout: float = 60.0
    cache: str = ""


class Detector(ABC):
    """Finds instances of phrases. Build once per process; `detect` may be called from one thread only.

    `needs_pixels` says that it looks at pictures at all: a run in which nobody does checks them and decodes no colours.
    """

    needs_phrases: ClassVar[bool] = True
    needs_pixels: ClassVar[bool] = True

    def __init__(self, settings: AdapterSettings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def info(self) -> ModelInfo:
        """Who the labels come from."""

    @abstractmethod
    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        """One Detections per picture for the phrases asked of it, in batches of at most `settings.batch_size`.

        Boxes lie inside the picture and have an area; suppression and thresholds are done. Out of memory on the
        device is left to propagate: the engine restarts the slice at half the batch.
        """

    def refuse(self, picture: Picture) -> tuple[str, str] | None:
        """(rule, detail) when the detector cannot label this picture, else None. Called before `detect`."""
        return None


class Segmenter(ABC):
    """Masks for boxes. `parallel` says that `segment` may run in several threads at once; see Detector.needs_pixels."""

    parallel: ClassVar[bool] = False
    needs_pixels: ClassVar[bool] = True

    def __init__(self, settings: AdapterSettings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def info(self) -> ModelInfo:
        """Who the masks come from."""

    @abstractmethod
    def segment(self, picture: Picture, instances: Sequence[Instance]) -> Iterable[Segment]:
        """One Segment per instance, in order; one image embedding serves them all.

        They are used one by one, so that an iterator need not hold the masks of hundreds of objects at once.
        """


class Captioner(ABC):
    """A caption for each picture, and for each instance when `settings.region_captions`; see Detector.needs_pixels."""

    needs_pixels: ClassVar[bool] = True

    def __init__(self, settings: AdapterSettings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def info(self) -> ModelInfo:
        """Who the captions come from."""

    @abstractmethod
    def caption(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        """One Caption per picture, or the SampleError that quarantines it; raises TryLater when the service is down."""


def equal_batches(keys: Sequence[Hashable], batch_size: int) -> Iterator[list[int]]:
    """Indices grouped by equal key, at most `batch_size` together, in order of first appearance.

    Padding changes scores, so pictures share a batch only when their padded sizes are equal.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    for members in groups.values():
        for start in range(0, len(members), batch_size):
            yield members[start : start + batch_size]
