"""The logged steps of a stage as JSON lines, the same after a kill as without one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from pe.shards.output import disk_errors, write_whole

Progress = Callable[[str, int, int, Mapping[str, Any]], None]

# What depends on the machine's speed.
CLOCK = ("step_time", "seconds")


class JsonLines(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Appends every logged step to metrics.jsonl: {"step", "epoch", "loss", ..., "seconds"}; NaN is null.

    `epochs` tells the passes over the data after a step. `progress` is told of each line.
    """

    def __init__(self, folder: Path, epochs: Callable[[int], float], progress: Progress) -> None:
        self._path = folder / "metrics.jsonl"
        self._name = folder.name
        self._epochs = epochs
        self._progress = progress
        self._since = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start at the step that the run goes on from."""
        if state.is_world_process_zero:
            cut_lines(self._path, state.global_step)
        self._since = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Write one line."""
        if not state.is_world_process_zero or not logs or "train_runtime" in logs:
            return
        line = {"step": state.global_step, "epoch": round(self._epochs(state.global_step), 6)}
        line |= {name: _finite(value) for name, value in logs.items() if name != "epoch"}
        now = time.monotonic()
        line["seconds"] = round(now - self._since, 3)
        self._since = now
        with disk_errors(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._progress(self._name, state.global_step, state.max_steps, line)


def cut_lines(path: Path, step: int) -> None:
    """Drop the lines of `path` after `step`, which are made again, and one that was cut."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            if line.endswith(b"\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    write_whole(path, b"".join(kept))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
