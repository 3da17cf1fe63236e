"""Killed at any step and gone on with, a run ends as one that nobody disturbed: every figure and every weight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pe.training.checkpoints import MARK, last_whole
from tests import vlms
from tests.training import runs

LORA = {"lora": {"r": 4, "lora_dropout": 0.1}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL without coordinates, so that they are added to it."""
    return vlms.qwen2_5_vl(tmp_path_factory.mktemp("model"), coordinates=False)


def kill_after(words: list[str], metrics: Path, lines: int) -> None:
    """Start a command and kill it once `metrics` has that many lines."""
    done = subprocess.Popen(words, env=runs.ENVIRONMENT, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 300
    while done.poll() is None and time.monotonic() < deadline:
        if metrics.is_file() and len(metrics.read_bytes().splitlines()) >= lines:
            os.killpg(done.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    assert done.wait() == -signal.SIGKILL, done.stderr and done.stderr.read().decode()[-3000:]


def check(model: Path, folder: Path, stage: dict[str, Any], kills: tuple[int, ...]) -> None:
    data = runs.rows(folder / "rows", "rl" if stage["kind"] == "grpo" else "sft", count=10)
    quiet = runs.settings(model, folder / "quiet", stage, format="rexomni")
    # Each in a process of its own, as torch may have another number of threads in this one, which changes last bits.
    runs.pe(runs.command(quiet, data))
    killed = runs.settings(model, folder / "killed", stage, format="rexomni")
    name = stage["kind"]
    for lines in kills:
        kill_after(runs.command(killed, data), killed.out / name / "metrics.jsonl", lines)
        assert not (killed.out / name / "done.json").exists()
    runs.pe(runs.command(killed, data))
    one, other = quiet.out / name, killed.out / name
    assert runs.metrics(one) == runs.metrics(other)
    assert [line["step"] for line in runs.metrics(one)] == list(range(1, 9))
    assert runs.weights(one) == runs.weights(other)
    if name == "grpo":
        assert (one / "rollouts.jsonl").read_text() == (other / "rollouts.jsonl").read_text()
        assert any(line["loss"] for line in runs.metrics(one)), "a loss of nothing would prove nothing"
    assert len({line["loss"] for line in runs.metrics(one)}) > 4


def test_sft_of_all_weights(model: Path, tmp_path: Path) -> None:
    check(model, tmp_path, runs.stage("sft", freeze=["vision"]), (5,))


def test_grpo_of_adapters(model: Path, tmp_path: Path) -> None:
    check(model, tmp_path, runs.stage("grpo", **LORA), (5,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    [
        runs.stage("sft", **LORA),
        runs.stage("grpo"),
        runs.stage("sft", optim="muon", gradient_accumulation_steps=2),
        runs.stage("grpo", beta=0.04, gradient_accumulation_steps=2, per_device_train_batch_size=4),
        runs.stage("grpo", num_iterations=2, save_steps=2, generations={0.5: 2}, temperatures={0.4: 0.7}),
        runs.stage("grpo", beta=0.04, **LORA),
    ],
    ids=["sft-lora", "grpo-all", "sft-muon", "grpo-reference", "grpo-schedules", "grpo-lora-reference"],
)
def test_every_kind_of_run(model: Path, tmp_path: Path, stage: dict[str, Any]) -> None:
    check(model, tmp_path, stage, (1, 4, 7))


def test_a_checkpoint_that_was_cut_is_not_gone_on_from(tmp_path: Path) -> None:
    for step, mark in ((3, True), (12, True), (20, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        if mark:
            (folder / MARK).write_text("{}")
    assert last_whole(tmp_path) == tmp_path / "checkpoint-12"
    assert not (tmp_path / "checkpoint-20").exists()
