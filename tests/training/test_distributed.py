"""`pe train` on two processes of a CPU (gloo), as `accelerate launch` starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("peft")

from safetensors.torch import load_file  # noqa: E402

from tests import vlms  # noqa: E402
from tests.training.checks import row_sets  # noqa: E402

CONFIGS = Path(__file__).parents[2] / "examples/accelerate"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, and rows whose answers differ in length."""
    folder = tmp_path_factory.mktemp("distributed")
    vlms.qwen2_5_vl(folder / "tiny")
    rows = [row_sets.row(number, "sft") for number in range(12)]
    for number, (sample, _) in enumerate(rows):
        longer = sample.messages_json.replace("unicorn", "unicorn and its friend" if number % 3 else "unicorn")
        rows[number] = row_sets.row(number, "sft", messages_json=longer)
    row_sets.write(folder / "sft", rows)
    row_sets.write(folder / "rl", [row_sets.row(number, "rl") for number in range(12)])
    return folder


def _train(here: Path, name: str, stage: dict[str, Any], *launcher: str) -> Path:
    file = here / f"{name}.yaml"
    settings = {"model": str(here / "tiny"), "out": str(here / name), "device": "cpu", "stages": [stage]}
    file.write_text(yaml.safe_dump({"train": settings}))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *launcher, "-m", "pe", "train", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(f"{here / name}") == 1, "one process tells what came out"
    return here / name / stage["kind"]


_TWO = (
    *("-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / "ddp.yaml")),
    *("--num_processes", "2", "--mixed_precision", "no", "--main_process_port", "0"),
)


def _lines(folder: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / file).read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(here: Path) -> None:
    """Disjoint rows, gradients over all tokens, one run folder: the steps of one process with the batches of both."""
    stage = {"kind": "sft", "data": [str(here / "sft")], "max_steps": 3, "learning_rate": 1e-3}
    both = _train(here, "two", {**stage, "per_device_train_batch_size": 2}, *_TWO)
    alone = _train(here, "one", {**stage, "per_device_train_batch_size": 4})
    for found, wanted in zip(_lines(both), _lines(alone), strict=True):
        for name in ("step", "epoch", "loss", "grad_norm", "num_tokens", "learning_rate"):
            assert found[name] == pytest.approx(wanted[name], rel=2e-5), name
    weights, expected = (load_file(folder / "model/model.safetensors") for folder in (both, alone))
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=2e-5)
    assert (both / "done.json").is_file()
    assert json.loads((both.parent / "environment.json").read_text())["processes"] == 2
    assert [path.name for path in both.glob("checkpoint-*")] == ["checkpoint-3"]


@pytest.mark.slow
def test_the_calls_of_a_step_take_the_step_of_one_call(here: Path) -> None:
    stage = {"kind": "sft", "data": [str(here / "sft")], "max_steps": 2, "learning_rate": 1e-3}
    calls = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}
    many, one = (
        _train(here, "calls", {**stage, **calls}),
        _train(here, "call", {**stage, "per_device_train_batch_size": 4}),
    )
    for found, wanted in zip(_lines(many), _lines(one), strict=True):
        assert found["loss"] == pytest.approx(wanted["loss"], rel=2e-5)
        assert found["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=2e-4)


@pytest.mark.slow
def test_rollouts_of_two_processes(here: Path) -> None:
    stage = {
        **{"kind": "grpo", "data": [str(here / "rl")], "max_steps": 2, "max_completion_length": 12},
        **{"per_device_train_batch_size": 4, "num_generations": 4, "rollout_steps": 1, "rollouts": 2},
    }
    folder = _train(here, "grpo", stage, *_TWO)
    lines = _lines(folder)
    assert [line["step"] for line in lines] == [1, 2]
    counted = [sum(value for name, value in line.items() if name.startswith("responses/")) for line in lines]
    assert counted == [8, 8], "the monitors see the responses of both"
    assert [rollout["step"] for rollout in _lines(folder, "rollouts.jsonl")] == [1, 1, 2, 2]
    assert (folder / "done.json").is_file()


@pytest.mark.parametrize("config", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_configurations_are_read_by_accelerate(config: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    found = load_config_from_file(str(CONFIGS / config))
    assert found.num_processes >= 2
    kinds = {"ddp": "MULTI_GPU", "fsdp": "FSDP", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED"}
    assert found.distributed_type.value == kinds[config.removesuffix(".yaml")]
