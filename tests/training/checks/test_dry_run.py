from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("peft")

from pe.training.checks.dry_run import dry_run
from pe.training.settings import TrainSettings
from tests import vlms
from tests.training.checks import row_sets


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model without coordinates, 10 sft rows and 9 rl rows."""
    folder = tmp_path_factory.mktemp("dry")
    vlms.qwen2_5_vl(folder / "tiny", coordinates=False)
    row_sets.write(folder / "sft", [row_sets.row(number, "sft") for number in range(10)])
    row_sets.write(folder / "rl", [row_sets.row(number, "rl") for number in range(9)])
    return folder


def _settings(here: Path, **changes: Any) -> dict[str, Any]:
    stages: list[dict[str, Any]] = [
        {"kind": "sft", "data": [str(here / "sft")], "num_train_epochs": 3, "per_device_train_batch_size": 4},
        {"kind": "grpo", "data": [str(here / "rl")], "max_steps": 7, "max_completion_length": 32},
    ]
    return {"model": str(here / "tiny"), "out": str(here / "run"), "format": "rexomni", "stages": stages} | changes


def test_rows_steps_tokens_and_parameters(here: Path) -> None:
    settings = TrainSettings.model_validate(_settings(here))
    sft, grpo = dry_run(settings, settings.stages)
    assert (sft.rows, sft.steps, sft.passes) == (10, 8, pytest.approx(3.2))
    assert (grpo.rows, grpo.steps, grpo.passes) == (9, 7, pytest.approx(7 / 9))
    assert sft.tokens_max > grpo.tokens_max > 80
    assert sft.tokens == round(sft.tokens_mean * 32)
    two = dry_run(settings, settings.stages, processes=2)
    assert (two[0].steps, two[0].passes) == (4, pytest.approx(3.2))


def test_from_the_shell(here: Path) -> None:
    file = here / "run.yaml"
    file.write_text(yaml.safe_dump({"train": _settings(here)}))
    command = [sys.executable, "-c", "from pe.cli import main; main()", "train", str(file), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sft: 8 steps, 3.20 passes over 10 rows" in done.stdout
    assert "9 ceilings computed again" in done.stdout
    assert "ZeRO-3, FSDP FULL_SHARD" in done.stdout
    assert not (here / "run").exists(), "the run's own folder is left alone"
    made = [path for path in (here / "run-dry-run").rglob("*") if path.is_file()]
    assert {path.parent.name for path in made} == {"first_batch"}
    assert here / "run-dry-run/grpo/first_batch/index.html" in made

    done = subprocess.run([*command, "--json", "--stage", "grpo"], capture_output=True, text=True, check=False)
    (stage,) = json.loads(done.stdout)["stages"]
    assert (stage["stage"], stage["steps"], stage["ceilings"]) == ("grpo", 7, 9)
    assert stage["bytes_by_gpus"]["DDP"]["1"] == sum(stage["bytes"].values())
    assert stage["free"] > 0


def test_a_bad_row_is_one_line_and_exit_2(here: Path, tmp_path: Path) -> None:
    row_sets.write(tmp_path / "rl", [row_sets.row(0, "rl", ceilings_json="[[1.0,0.25]]")])
    stages = [{"kind": "grpo", "data": [str(tmp_path / "rl")], "max_steps": 1}]
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({"train": _settings(here, stages=stages)}))
    command = [sys.executable, "-c", "from pe.cli import main; main()", "train", str(file), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "was built with a score of 0.250000" in done.stderr
    assert done.stderr.count("\n") == 1
