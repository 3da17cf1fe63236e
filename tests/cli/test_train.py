"""`pe train` from a shell: what it prints, and one line for what it cannot do."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import vlms
from tests.training import runs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vlms.qwen2_5_vl(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.rows(tmp_path_factory.mktemp("sft") / "rows", "sft")


def file(folder: Path, model: Path | str, *stages: dict[str, Any], **changes: Any) -> str:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"train": {"model": str(model), "stages": list(stages), **changes}}))
    return str(path)


def test_a_run_and_the_same_again(model: Path, sft: Path, tmp_path: Path) -> None:
    words = [*runs.PE, "train", file(tmp_path, model, runs.stage("sft", max_steps=2)), "--device", "cpu"]
    words += ["--data", str(sft), "--out", str(tmp_path / "run")]
    (done,) = json.loads(runs.pe([*words, "--json"]))["stages"]
    assert {"stage": "sft", "before": False, "steps": 2, "rows": 24}.items() <= done.items()
    assert done["last"]["step"] == 2
    told = runs.pe(words)
    assert "sft: 2 steps, loss " in told
    assert "finished before" in told


def test_a_signal_saves_and_the_run_goes_on(model: Path, sft: Path, tmp_path: Path) -> None:
    chosen = runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=500, save_steps=500))
    words = runs.command(chosen, sft)
    done = subprocess.Popen(words, env=runs.ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    metrics = chosen.out / "sft/metrics.jsonl"
    deadline = time.monotonic() + 300
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() < deadline and done.poll() is None:
        time.sleep(0.05)
    done.send_signal(signal.SIGTERM)
    _, told = done.communicate(timeout=300)
    assert done.returncode == 143, told[-2000:]
    assert "interrupted by SIGTERM" in told
    (checkpoint,) = (chosen.out / "sft").glob("checkpoint-*")
    assert (checkpoint / "whole.json").is_file()
    assert int(checkpoint.name[11:]) == len(metrics.read_text().splitlines())


@pytest.mark.parametrize(
    ("stages", "words", "told"),
    [
        ([{"kind": "sft", "learning_rat": 1}], [], "learning_rat"),
        ([{"kind": "sft"}], ["--stage", "dpo"], "--stage is sft or grpo"),
        ([{"kind": "sft"}], ["--stage", "grpo"], "the run has no grpo stage"),
        ([{"kind": "sft"}], [], "stage sft has no data"),
        ([{"kind": "sft"}], ["--data", "nowhere"], "nowhere"),
        ([{"kind": "sft"}], ["--device", "tpu"], "device"),
    ],
)
def test_what_is_wrong_is_one_line(
    stages: list[dict[str, Any]], words: list[str], told: str, model: Path, tmp_path: Path
) -> None:
    run = file(tmp_path, model, *stages)
    message = runs.pe([*runs.PE, "train", run, "--out", str(tmp_path / "run"), *words], code=2)
    assert told in message
    assert len(message.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("nowhere/at-all", "is not on this machine"),
        ("demo-bas", "known model"),
        ("./nothing", "no such file or folder"),
    ],
)
def test_a_model_that_is_not_there(model: str, told: str, sft: Path, tmp_path: Path) -> None:
    run = file(tmp_path, model, runs.stage("sft"))
    words = [*runs.PE, "train", run, "--data", str(sft), "--out", str(tmp_path / "run"), "--device", "cpu"]
    message = runs.pe(words, code=2)
    assert told in message
    assert len(message.splitlines()) == 1


def test_a_device_that_is_not_there(model: Path, sft: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    run = file(tmp_path, model, runs.stage("sft"))
    words = [*runs.PE, "train", run, "--data", str(sft), "--out", str(tmp_path / "run"), "--device", "cuda:3"]
    assert "torch sees 0 CUDA devices" in runs.pe(words, code=2)


def test_two_at_once_in_one_folder(model: Path, sft: Path, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "run"
    out.mkdir()
    run = file(tmp_path, model, runs.stage("sft"))
    with (out / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        words = [*runs.PE, "train", run, "--data", str(sft), "--out", str(out), "--device", "cpu"]
        assert "another pe train is at work there" in runs.pe(words, code=2)
