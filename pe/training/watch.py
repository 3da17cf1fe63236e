"""Stops a run that goes wrong, in one line and before a bad checkpoint is written; docs/train.md has the table."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from pe.errors import DiskError, PeError
from pe.training.settings import GrpoStage, SftStage

_MIB = 2**20
_MCC = "presence_mcc/"
_BY_CHANCE = 0.02
"""A mean reward of less comes from a few lucky responses: a policy that gets it has none yet to lose."""


class TrainingStopped(PeError):
    """A run that is no use as it goes on; its last checkpoint is whole and from before."""

    exit_code = 3


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Raises TrainingStopped where the loss or a weight is not finite, or where under RL the reward or the presence MCC
    of a data source has fallen too far below its best; DiskError before a checkpoint that does not fit on the disk.

    A mean is over the last `window` logged steps (`watch` of the stage), and the best is the best of such means so far.
    `changes` are the progresses (0..1) at which a schedule moves the reward: what was best before means nothing
    afterwards. After a resume it knows what was logged before, from the trainer's own history.
    """

    def __init__(self, stage: SftStage | GrpoStage, folder: Path, changes: Sequence[float] = ()) -> None:
        self._folder = folder
        self._limits = stage.watch if isinstance(stage, GrpoStage) else None
        self._changes = sorted({change for change in changes if 0 < change < 1})
        self._trends: dict[str, _Trend] = {}
        self._period = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # Filtered, a loss that is not finite is logged as the mean of those before it.
        args.logging_nan_inf_filter = False
        for line in state.log_history:
            self._look(line, line.get("step", 0), state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        self._look(logs or {}, state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if control.should_save and model is not None:
            self._check_weights(model, state.global_step)
            self._check_disk(model)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if model is not None:
            self._check_weights(model, state.global_step)

    def _look(self, logs: Mapping[str, Any], step: int, steps: int) -> None:
        loss = logs.get("loss")
        if isinstance(loss, int | float) and not math.isfinite(loss):
            raise TrainingStopped(
                f"{self._folder.name}: the loss at step {step:,} is {loss}: lower learning_rate or max_grad_norm, or "
                "look at the rows of that step"
            )
        if self._limits is None:
            return
        period = sum(step / max(1, steps) >= change for change in self._changes)
        if period != self._period:
            self._period = period
            self._trends.pop("reward", None)
        for name, value in logs.items():
            if (name == "reward" or name.startswith(_MCC)) and isinstance(value, int | float) and math.isfinite(value):
                self._follow(name, float(value), step)

    def _follow(self, name: str, value: float, step: int) -> None:
        assert self._limits is not None
        trend = self._trends.setdefault(name, _Trend(self._limits.window))
        now, best = trend.add(value)
        if now is None or best is None:
            return
        window = f"the last {self._limits.window:,} logged steps"
        where = f"{self._folder.name}: step {step:,}"
        if name == "reward":
            allowed = self._limits.reward_drop
            if allowed and best >= _BY_CHANCE and now < best * (1 - allowed):
                raise TrainingStopped(
                    f"{where}: the mean reward of {window} is {now:.3f}, and was {best:.3f} (watch.reward_drop is "
                    f"{allowed:g}): the policy has collapsed; lower learning_rate, or raise beta or num_generations"
                )
        elif self._limits.mcc_drop and best - now > self._limits.mcc_drop:
            raise TrainingStopped(
                f"{where}: the presence MCC of {name.removeprefix(_MCC)} over {window} is {now:.3f}, and was "
                f"{best:.3f} (watch.mcc_drop is {self._limits.mcc_drop:g}): the model forgets to say what is not "
                "there; give the mix more negatives"
            )

    def _check_weights(self, model: Any, step: int) -> None:
        for name, weight in model.named_parameters():
            # Of weights that are split over GPUs each process looks at its own part, without asking the others.
            mine = weight.to_local() if hasattr(weight, "to_local") else weight
            if weight.requires_grad and not bool(torch.isfinite(mine).all()):
                raise TrainingStopped(
                    f"{self._folder.name}: {name} is no longer finite at step {step:,}, so nothing was saved there: "
                    "lower learning_rate or max_grad_norm and go on from the checkpoint before"
                )

    def _check_disk(self, model: Any) -> None:
        # The weights that are saved, and two moments of those that are trained; adapters are saved alone.
        sizes: defaultdict[bool, int] = defaultdict(int)
        for weight in model.parameters():
            sizes[weight.requires_grad] += getattr(weight, "ds_numel", weight.numel()) * weight.element_size()
        needed = 3 * sizes[True] + (0 if hasattr(model, "peft_config") else sizes[False])
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise DiskError(
                f"{self._folder}: a checkpoint takes about {needed / _MIB:,.1f} MiB and {free / _MIB:,.1f} are free: "
                "make room and run the same command again; it goes on from the last checkpoint"
            )


class _Trend:
    """Means of a window, and the best of them so far; a mean is there when the window is full."""

    def __init__(self, window: int) -> None:
        self._last: deque[float] = deque(maxlen=window)
        self._best: float | None = None

    def add(self, value: float) -> tuple[float | None, float | None]:
        self._last.append(value)
        if len(self._last) < (self._last.maxlen or 1):
            return None, None
        now = math.fsum(self._last) / len(self._last)
        self._best = now if self._best is None else max(self._best, now)
        return now, self._best
