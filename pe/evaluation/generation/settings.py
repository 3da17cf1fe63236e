"""How a model is asked."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class GenerationSettings(BaseModel):
    """How answers are made. `samples` answers a row; by default one is greedy and several are drawn at temperature 1.

    With `url` an OpenAI-compatible server is asked, `concurrency` requests at a time, each for at most `timeout`
    seconds; without it the model runs here, `batch_size` answers at a time, in `workers` processes (with torchrun: in
    its own).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(1, ge=1, le=1024)
    temperature: float | None = Field(None, ge=0, le=10)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    max_new_tokens: int = Field(1024, ge=1)
    seed: int = Field(0, ge=0)

    batch_size: int = Field(8, ge=1)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: str = "auto"
    workers: int = Field(1, ge=1)

    url: str = ""
    concurrency: int = Field(8, ge=1)
    timeout: float = Field(300.0, gt=0)

    @model_validator(mode="after")
    def _together(self) -> GenerationSettings:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("several samples at temperature 0 would all be the same")
        if self.url and self.workers > 1:
            raise ValueError("workers are for a model that runs here; a server has concurrency")
        return self

    @property
    def heat(self) -> float:
        """The temperature that is used; 0 takes the likeliest token."""
        return self.temperature if self.temperature is not None else float(self.samples > 1)

    def answers_config(self) -> dict[str, Any]:
        """What of the settings changes an answer; the number of samples does not change those that are there."""
        heat = self.heat
        drawn = {"top_p": self.top_p, "top_k": self.top_k, "seed": self.seed} if heat else {}
        return {"temperature": heat, "max_new_tokens": self.max_new_tokens, **drawn}
