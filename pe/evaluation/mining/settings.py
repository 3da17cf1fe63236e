"""What `pe mine` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator, model_validator

from pe.evaluation.generation.settings import GenerationSettings
from pe.evaluation.mining.keep import Keep, as_dict

_ANSWERS = tuple(GenerationSettings.model_fields)


class MineSettings(GenerationSettings):
    """The settings of `pe mine`: how a model is asked, when an answer is right, which rows are kept.

    An answer's reward is the row's score, or the `component` of it that is named; it is right from `pass_at` on.
    `params` stand over the parameters of every row's verifier, `progress` is that of its schedules. `answers` is a
    folder for the answers, "" for OUT/cache.
    """

    model: str
    on: Path
    out: Path

    samples: int = Field(8, ge=1, le=1024)
    greedy: bool = True
    keep: Keep = Keep(rules={"pass-rate": {"above": 0.0, "below": 1.0}})
    pass_at: float = 0.5
    component: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    progress: float = Field(1.0, ge=0, le=1)
    answers: Path | None = None

    shard_inputs: int = Field(1000, ge=1, le=100_000)
    shard_mb: int = Field(512, ge=1)

    @field_validator("params", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """On the command line a parameter is a word: KEY=VALUE."""
        if not isinstance(value, list):
            return value
        pairs = [str(word).partition("=") for word in value]
        if any(not (key and sign) for key, sign, _ in pairs):
            raise ValueError("a parameter is KEY=VALUE, such as threshold=0.5")
        return {key: yaml.safe_load(text) for key, _, text in pairs}

    @model_validator(mode="after")
    def _greedy_is_asked(self) -> MineSettings:
        if not self.greedy and any(rule.needs_greedy for rule in self.keep.made):
            raise ValueError("greedy-wrong needs the greedy answer; leave out --no-greedy")
        return self

    def sampled(self) -> GenerationSettings:
        """How the samples are asked for."""
        return GenerationSettings(**{name: getattr(self, name) for name in _ANSWERS})

    def greedily(self) -> GenerationSettings:
        """How the greedy answers are asked for."""
        return self.sampled().model_copy(update={"samples": 1, "temperature": 0.0})

    def scores_config(self) -> dict[str, Any]:
        """What changes the score of an answer."""
        return {"params": self.params, "progress": self.progress}

    def rows_config(self, model: dict[str, str]) -> dict[str, Any]:
        """What changes the rows that are kept; `model` says which one answered."""
        return {
            "model": model,
            "samples": self.samples,
            "greedy": self.greedy,
            "answers": self.answers_config(),
            **self.scores_config(),
            "component": self.component,
            "pass_at": self.pass_at,
            "keep": dict(as_dict(self.keep)),
        }
