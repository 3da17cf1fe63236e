"""What `pe import` can be told of a layout of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pe import registry
from pe.shards.imports import Layout


class ImportChoices(BaseModel):
    """What decides which labels come in; `images` and `split` belong to the layout, see `pe.shards.imports`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: str = ""
    split: str = ""
    negatives: bool = True
    epsilon: float = Field(0.005, ge=0, lt=0.5)
    orientation: Literal["cw", "ccw", "simpleseg-compat"] = "cw"
    simplify: Literal["dp", "fit"] = "dp"
    respect_opt_out: bool = True
    data_source: str = ""


class ImportSettings(ImportChoices):
    """The settings of `pe import`; where it reads and writes and how fast do not enter the configuration hash."""

    source: Path
    out: Path
    layout: str

    workers: int = Field(1, ge=1)
    shard_inputs: int = Field(1000, ge=1, le=100_000)

    def read(self) -> Layout:
        """The source as its layout has it. Raises InputError."""
        layout: Layout = registry.load("imports", self.layout)(self.source.expanduser(), self.images, self.split)
        return layout
