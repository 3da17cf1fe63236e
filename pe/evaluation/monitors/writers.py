"""Where a monitor's figures go: a file of JSON lines, TensorBoard, and whatever a transformers Trainer reports to."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pe.errors import MissingExtra
from pe.evaluation.monitors.monitor import Monitor


def json_lines(monitor: Monitor, **head: Any) -> Iterator[str]:
    """A line a data source: `head`, data_source, and every figure or null."""
    for source, figures in monitor.figures().items():
        yield json.dumps({**head, "data_source": source, **figures}, ensure_ascii=False, allow_nan=False) + "\n"


def append_json_lines(path: Path, monitor: Monitor, step: int) -> None:
    """Append `json_lines` to `path`, each with its `step`."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json_lines(monitor, step=step))


class TensorBoard:
    """Event files in `folder`, by tensorboard's own writer or tensorboardX's. Raises MissingExtra without both."""

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") and importlib.util.find_spec("torch"):
            module = "torch.utils.tensorboard"
        elif importlib.util.find_spec("tensorboardX"):
            module = "tensorboardX"
        else:
            raise MissingExtra("writing for TensorBoard", "tensorboard")
        self._writer = importlib.import_module(module).SummaryWriter(str(folder))

    def write(self, monitor: Monitor, step: int) -> None:
        """One scalar a figure, named "figure/data source"."""
        for name, value in monitor.flat().items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is left."""
        self._writer.close()


def report_by(trainer: Any, monitor: Monitor) -> None:
    """Log `monitor`'s figures whenever `trainer`, a transformers Trainer, logs, and start it again from nothing.

    They go wherever `report_to` says (W&B, MLflow, TensorBoard, Trackio ...) and into the trainer's log history, under
    "figure/data source"; sums of several processes are added up first.
    """
    from accelerate.utils import gather_object  # type: ignore[import-untyped]
    from transformers import Trainer, TrainerCallback

    class Report(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        def __init__(self) -> None:
            self._busy = False

        def on_log(self, *args: Any, **kwargs: Any) -> None:
            if self._busy:
                return
            every = Monitor()
            for state in gather_object([monitor.state()]):
                every.merge(state)
            monitor.clear()
            figures = every.flat()
            if not figures:
                return
            self._busy = True
            try:
                # A subclass's own `log`, such as GRPOTrainer's, would write its metrics a second time.
                Trainer.log(trainer, figures)
            finally:
                self._busy = False

    trainer.add_callback(Report())
