"""Small runs for tests: rows of drawn pictures, run files, and `pe train` in this process or its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pe.schemas.sample import RewardModel, Sample, Verifier
from pe.training.run import StageResult, train, with_data
from pe.training.settings import TrainSettings
from tests.evaluation.rollouts import IMAGE, write
from tests.shards import factory

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

Figures = dict[str, Any]


def conversation(number: int, answer: str = "") -> str:
    """The messages of a row, with an answer for sft."""
    messages = [{"role": "user", "content": f"<image>Where is cat {'very ' * (number % 4)}{number}?"}]
    if answer:
        messages.append({"role": "assistant", "content": answer})
    return json.dumps(messages)


def sft(number: int, **changes: Any) -> Sample:
    """A row whose answer is a box."""
    x = 7 * number % 500
    gold = f"<|object_ref_start|>cat<|object_ref_end|><|box_start|><{x}><{x + 9}><{x + 300}><{x + 400}><|box_end|>"
    values = {
        "kind": "sft",
        "data_source": f"drawn/{number % 2}",
        "ability": "detection",
        "messages_json": conversation(number, gold),
        "gold_text": gold,
        "verifier": Verifier(name="detection", params_json='{"format": "rexomni"}'),
    } | changes
    return factory.sample(f"row-{number:04d}", IMAGE).model_copy(update=values)


def rl(number: int, **changes: Any) -> Sample:
    """A row that pays for short answers, which even a model that knows nothing gives now and then."""
    values = {
        "kind": "rl",
        "messages_json": conversation(number),
        "gold_text": "",
        "verifier": Verifier(name="length", params_json='{"unit": "characters", "limit": 60, "floor": 0.0}'),
        "reward_model": RewardModel(ground_truth="{}"),
    } | changes
    return sft(number).model_copy(update=values)


def rows(root: Path, kind: str, count: int = 24, **changes: Any) -> Path:
    """An output folder with `count` rows of `kind` in two shards."""
    make = sft if kind == "sft" else rl
    made = [make(number, **changes) for number in range(count)]
    return write(root, [made[: count // 2], made[count // 2 :]])


def stage(kind: str, **changes: Any) -> Figures:
    """A stage of a few steps."""
    values: Figures = {"kind": kind, "max_steps": 8, "per_device_train_batch_size": 4, "save_steps": 3}
    values |= {"learning_rate": 5e-3}
    if kind == "grpo":
        values |= {"per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 12}
        values |= {"rollout_steps": 2, "rollouts": 2}
    return values | changes


def settings(model: Path, out: Path, *stages: Figures, **changes: Any) -> TrainSettings:
    """The settings of a run on the CPU."""
    values = {"model": str(model), "out": out, "device": "cpu", "stages": list(stages)} | changes
    return TrainSettings.model_validate(values)


def run(chosen: TrainSettings, *data: Path) -> list[StageResult]:
    """`pe train` in this process."""
    return train(with_data(chosen, list(map(str, data))))


def command(chosen: TrainSettings, *data: Path) -> list[str]:
    """`pe train` as a command, its run file beside the run folder."""
    path = chosen.out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({"train": chosen.model_dump(mode="json")}))
    words = [word for item in data for word in ("--data", str(item))]
    return [*PE, "train", str(path), *words]


def pe(words: list[str], code: int = 0) -> str:
    """Run a command; what it printed, or what it complained of."""
    done = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout if code == 0 else done.stderr


def metrics(folder: Path) -> list[Figures]:
    """The logged steps without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("seconds", "step_time")} for line in lines]


def weights(folder: Path) -> bytes:
    """The final model's bytes."""
    return (folder / "model" / "model.safetensors").read_bytes()
