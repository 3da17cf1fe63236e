from __future__ import annotations

from typing import Any

import pytest

from pe.errors import ConfigError
from pe.schemas.settings import load_settings, presets
from pe.training.settings import TrainSettings


def load(*stages: dict[str, Any], **changes: Any) -> TrainSettings:
    flags = {"model": "m", "out": "o", "stages": list(stages), **changes}
    return load_settings(TrainSettings, "train", flags, environ={})


def test_stages_are_called_by_their_kind_or_name() -> None:
    assert load({"kind": "sft"}, {"kind": "grpo"}, {"kind": "grpo", "name": "late"}).stage_names == [
        "sft", "grpo", "late",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"kind": "sft", "num_generations": 8}, "num_generations"),
        ({"kind": "dpo"}, "dpo"),
        ({"kind": "grpo", "per_device_train_batch_size": 6}, "8 generations of a prompt do not divide the 6"),
        ({"kind": "grpo", "generations": {0.5: 3}}, "3 generations"),
        ({"kind": "grpo", "loss_type": "luspo"}, "importance_sampling_level: sequence"),
        ({"kind": "grpo", "num_iterations": 3}, "no multiple of num_iterations"),
        ({"kind": "sft", "logging_steps": 7}, "no multiple of logging_steps"),
        ({"kind": "sft", "max_steps": 0}, "max_steps is 1 or more"),
        ({"kind": "sft", "name": "../up"}, "name"),
    ],
)
def test_what_is_wrong_is_said(stage: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(stage)


def test_two_stages_of_one_name() -> None:
    with pytest.raises(ConfigError, match="two stages are called sft"):
        load({"kind": "sft"}, {"kind": "sft"})


@pytest.mark.parametrize("name", presets("train"))
def test_presets_are_settings(name: str) -> None:
    assert load_settings(TrainSettings, "train", {"out": "o"}, preset=name, environ={}).stages
