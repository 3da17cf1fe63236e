"""What `pe annotate` can be told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pe.annotators.checkpoints import shipped
from pe.schemas.sample import dumps

_NOT_LABELS = {"source", "out", "workers", "shard_inputs", "shard_mb", "annotations"}


class AnnotateSettings(BaseModel):
    """The settings of `pe annotate`; all but where it reads and writes and how fast enter the configuration hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    out: Path

    detector: str = "groundingdino"
    detector_model: str = ""
    segmenter: str = "sam"
    segmenter_model: str = ""
    captioner: str = "template"
    captioner_model: str = ""
    captioner_url: str = ""
    caption_prompt: str = ""
    caption_tokens: int = Field(256, ge=1)
    region_captions: bool = False

    phrases: str | list[str] = ""
    annotations: str = ""
    box_threshold: float = Field(0.35, ge=0, le=1)
    text_threshold: float = Field(0.25, ge=0, le=1)
    nms_threshold: float = Field(0.7, gt=0, le=1)

    epsilon: float = Field(0.005, ge=0, lt=0.5)
    simplify: Literal["dp", "fit"] = "dp"
    orientation: Literal["cw", "ccw", "simpleseg-compat"] = "cw"

    filters: dict[str, dict[str, Any]] = {}
    near_duplicates: Literal["drop", "keep"] = "keep"
    respect_opt_out: bool = True
    max_bytes: int = Field(50_000_000, ge=1)
    max_pixels: int = Field(100_000_000, ge=1)

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    batch_size: int = Field(4, ge=1)
    data_source: str = ""

    workers: int = Field(1, ge=1)
    threads: int = Field(0, ge=0)
    shard_inputs: int = Field(1000, ge=1, le=100_000)
    shard_mb: int = Field(512, ge=1)

    @field_validator("filters", mode="before")
    @classmethod
    def _filter_words(cls, value: Any) -> Any:
        """On the command line a filter is a word: NAME or NAME:KEY=VALUE,KEY=VALUE."""
        if not isinstance(value, list):
            return value
        parsed: dict[str, dict[str, str]] = {}
        for word in value:
            name, _, rest = str(word).partition(":")
            pairs = [pair.partition("=") for pair in rest.split(",") if pair]
            if not name or any(not (key and sign) for key, sign, _ in pairs):
                raise ValueError(f"a filter is NAME:KEY=VALUE[,KEY=VALUE], such as size:min_side=64; got {word!r}")
            parsed[name] = {key.strip(): text.strip() for key, _, text in pairs}
        return parsed

    @model_validator(mode="after")
    def _names_that_need_each_other(self) -> AnnotateSettings:
        if "dataset" in (self.detector, self.segmenter) and not self.annotations:
            raise ValueError("--detector dataset and --segmenter dataset need --annotations (COCO, LVIS or YOLO)")
        if self.segmenter == "dataset" and self.detector != "dataset":
            raise ValueError("--segmenter dataset has masks for the boxes of --detector dataset only")
        if self.captioner == "openai" and not self.captioner_url:
            raise ValueError("--captioner openai needs --captioner-url, such as http://localhost:8000/v1")
        if self.simplify == "fit" and self.orientation == "simpleseg-compat":
            raise ValueError("--simplify fit has no contours of --orientation simpleseg-compat; use cw or ccw")
        if self.region_captions and self.captioner == "none":
            raise ValueError("--region-captions needs a --captioner")
        return self

    def labels_config(self, device: str) -> dict[str, Any]:
        """What changes a label, as JSON values; `device` is the one that was resolved. Paths count by content."""
        config: dict[str, Any] = self.model_dump(mode="json", exclude=_NOT_LABELS)
        config["device"] = device.partition(":")[0]
        for key in ("detector_model", "segmenter_model", "captioner_model"):
            config[key] = content_name(config[key])
        if self.annotations:
            config["annotations"] = Path(self.annotations).name
        return config


def config_hash(config: dict[str, Any]) -> str:
    """The first 16 hex digits of the SHA-256 of `config` as sorted JSON."""
    return hashlib.sha256(dumps(dict(sorted(config.items()))).encode()).hexdigest()[:16]


def content_name(word: str) -> str:
    """A model word for the hash: a local file or folder, or a model that ships with pe, by its content; else itself."""
    path = shipped(word) or Path(word).expanduser()
    if not word or not path.exists():
        return word
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for item in files:
        digest.update(item.name.encode() + b"\0")
        with item.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:16]}"
