"""What `pe eval` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from pe import registry
from pe.errors import InputError
from pe.evaluation.generation.settings import GenerationSettings


class EvalSettings(GenerationSettings):
    """How responses are evaluated, and made where a model is named.

    `samples` are the responses to a row that are looked at: of a file all that are there, unless it is given.
    `metrics` are names, by default all but those that follow others' code (`-compat`). `resamples` are those of the
    bootstrap intervals, drawn by `seed`; metrics that cost more take fewer. `scenes` are annotated shards that know
    what else is in the pictures.
    """

    metrics: tuple[str, ...] = ()
    resamples: int = Field(1000, ge=0, le=100_000)
    scenes: Path | None = None

    @field_validator("metrics", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            try:
                registry.load("metrics", name)
            except InputError as error:
                raise ValueError(str(error)) from None
        return tuple(dict.fromkeys(value))

    @property
    def most_samples(self) -> int | None:
        """How many responses to a row of a file are looked at; None: all."""
        return self.samples if "samples" in self.model_fields_set else None

    def generation(self) -> GenerationSettings:
        """How responses are made."""
        return GenerationSettings.model_validate(
            {name: getattr(self, name) for name in GenerationSettings.model_fields}
        )
