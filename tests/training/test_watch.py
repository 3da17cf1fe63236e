from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from pe.errors import DiskError  # noqa: E402
from pe.training.settings import GrpoStage, SftStage  # noqa: E402
from pe.training.watch import TrainingStopped, Watch  # noqa: E402


def _watch(tmp_path: Path, changes: tuple[float, ...] = (), **limits: float) -> Watch:
    stage = GrpoStage.model_validate({"watch": {"window": 5, **limits}})
    return Watch(stage, tmp_path / "rl", changes)


def _log(watch: Watch, logs: dict[str, Any], step: int, steps: int = 100) -> None:
    watch.on_log(None, SimpleNamespace(global_step=step, max_steps=steps), None, logs=logs)


def _feed(watch: Watch, name: str, values: list[float], start: int = 1) -> int:
    """The step at which the run was stopped; 0 when it was not."""
    for step, value in enumerate(values, start):
        try:
            _log(watch, {name: value}, step)
        except TrainingStopped:
            return step
    return 0


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, loss: float) -> None:
    for watch in (_watch(tmp_path), Watch(SftStage(), tmp_path / "sft")):
        _log(watch, {"loss": 1.0}, 1)
        with pytest.raises(TrainingStopped, match=r"the loss at step 2 is -?(nan|inf): lower learning_rate"):
            _log(watch, {"loss": loss}, 2)
    assert TrainingStopped.exit_code == 3


def test_a_collapsed_reward_stops_the_run(tmp_path: Path) -> None:
    # From five steps of 0.8 down to 0.1: the mean of five is below half of 0.8 at the third.
    assert _feed(_watch(tmp_path), "reward", [0.8] * 5 + [0.1] * 5) == 8
    assert _feed(_watch(tmp_path, reward_drop=0.0), "reward", [0.8] * 5 + [0.0] * 9) == 0
    assert _feed(_watch(tmp_path), "reward", [0.1, 0.9, 0.2, 0.8, 0.0] * 9) == 0
    assert _feed(_watch(tmp_path), "reward", [-0.5] * 5 + [-2.0] * 9) == 0, "no share of a reward below zero"
    assert _feed(_watch(tmp_path), "reward", [0.0, 0.01] * 9 + [0.0] * 9) == 0, "a few lucky responses are no policy"
    assert _feed(_watch(tmp_path), "reward", [0.8] * 4 + [0.0]) == 0, "no mean before the window is full"


def test_a_schedule_that_moves_the_reward_is_no_collapse(tmp_path: Path) -> None:
    values = [0.8] * 24 + [0.2] * 20
    assert _feed(_watch(tmp_path, changes=(0.0, 0.25)), "reward", values) == 0
    assert _feed(_watch(tmp_path), "reward", values) == 28
    falling = [0.8] * 24 + [0.4] * 10 + [0.01] * 9
    assert _feed(_watch(tmp_path, changes=(0.25,)), "reward", falling) == 37


def test_a_falling_presence_mcc_stops_the_run_while_the_reward_rises(tmp_path: Path) -> None:
    watch = _watch(tmp_path, mcc_drop=0.31)
    falling = [max(0.0, 0.6 - step / 60) for step in range(1, 60)]
    for step, value in enumerate(falling[:23], 1):
        _log(watch, {"reward": step / 60, "presence_mcc/a": 0.8, "presence_mcc/b/c": value}, step)
    # Best was the mean of steps 1 to 5 (0.55), and that of steps 20 to 24 is more than 0.31 below.
    with pytest.raises(TrainingStopped, match=r"presence MCC of b/c over .* steps is 0\.233, and was 0\.550"):
        _log(watch, {"presence_mcc/b/c": falling[23]}, 24)
    assert _feed(_watch(tmp_path, mcc_drop=0.0), "presence_mcc/a", [0.9] * 9 + [0.0] * 9) == 0
    assert _feed(_watch(tmp_path), "presence_mcc/a", [0.9, 0.5] * 20) == 0


def test_supervised_stages_have_no_reward_to_watch(tmp_path: Path) -> None:
    watch = Watch(SftStage(), tmp_path / "sft")
    assert _feed(watch, "reward", [0.9] * 30 + [0.0] * 30) == 0


def test_a_resumed_run_remembers_what_was_best(tmp_path: Path) -> None:
    watch = _watch(tmp_path)
    args = SimpleNamespace(logging_nan_inf_filter=True)
    history = [{"step": step, "reward": 0.8} for step in range(1, 9)]
    watch.on_train_begin(args, SimpleNamespace(log_history=history, max_steps=100), None)
    assert args.logging_nan_inf_filter is False
    assert _feed(watch, "reward", [0.1] * 5, start=9) == 11


def _control(save: bool) -> Any:
    return SimpleNamespace(should_save=save)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    watch = Watch(SftStage(), tmp_path / "sft")
    state = SimpleNamespace(global_step=7)
    watch.on_step_end(None, state, _control(True), model=model)
    with torch.no_grad():
        model.weight[1, 1] = float("nan")
    watch.on_step_end(None, state, _control(False), model=model)
    with pytest.raises(TrainingStopped, match="weight is no longer finite at step 7, so nothing was saved"):
        watch.on_step_end(None, state, _control(True), model=model)
    with pytest.raises(TrainingStopped):
        watch.on_train_end(None, state, _control(False), model=model)


def test_a_checkpoint_that_does_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    watch = Watch(SftStage(), tmp_path / "sft")
    model = torch.nn.Linear(1000, 100)  # 400,400 bytes, and two moments of the same size
    state = SimpleNamespace(global_step=7)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 1_300_000))
    watch.on_step_end(None, state, _control(True), model=model)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 1_100_000))
    with pytest.raises(DiskError, match="make room and run the same command again"):
        watch.on_step_end(None, state, _control(True), model=model)
    model.requires_grad_(False)
    watch.on_step_end(None, state, _control(True), model=model)
    assert DiskError.exit_code == 74


def test_a_real_trainer_stops_at_the_first_loss_that_is_not_finite(tmp_path: Path) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

        def forward(self, x: Any, **_: Any) -> dict[str, Any]:
            return {"loss": (self.weight * x).sum()}

    rows = [{"x": torch.ones(2)}] * 3 + [{"x": torch.full((2,), float("nan"))}] * 9
    args = transformers.TrainingArguments(
        str(tmp_path), per_device_train_batch_size=1, max_steps=9, logging_steps=1, save_steps=1, report_to=[],
        use_cpu=True, train_sampling_strategy="sequential", disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(Model(), args, train_dataset=rows, callbacks=[Watch(SftStage(), tmp_path / "sft")])
    with pytest.raises(TrainingStopped):
        trainer.train()
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == [f"checkpoint-{step}" for step in (1, 2, 3)]
