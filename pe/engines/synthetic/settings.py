"""What `pe synth` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class SynthSettings(BaseModel):
    """The settings of `pe synth`; where it writes, how many scenes and how fast do not enter the configuration hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Path
    scenes: int = Field(1000, ge=1, le=100_000_000)
    profile: Literal["base", "dense", "crowd", "language", "text"] = "base"
    split: Literal["train", "test", "kept_out"] = "train"
    seed: int = Field(0, ge=0)
    epsilon: float = Field(0.0, ge=0, lt=0.5)
    data_source: str = ""

    workers: int = Field(1, ge=1)
    shard_inputs: int = Field(1000, ge=1, le=100_000)

    @property
    def name(self) -> str:
        """The data source in every record."""
        return self.data_source or f"synth-{self.profile}-{self.split}/drawn"

    def labels_config(self) -> dict[str, Any]:
        """What changes a sample, as JSON values."""
        config: dict[str, Any] = self.model_dump(mode="json", include={"profile", "split", "seed", "epsilon"})
        return {**config, "data_source": self.name}
