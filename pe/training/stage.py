"""One stage of a run: data, model and trainer put together, trained, and its model saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from transformers import PrinterCallback, TrainerCallback

from pe.annotators.checkpoints import resolve
from pe.engines.signals import Signals
from pe.errors import ConfigError, Interrupted
from pe.evaluation.monitors import Monitor
from pe.evaluation.vlm import end_tokens
from pe.shards.output import disk_errors
from pe.training.arguments import arguments_of
from pe.training.checkpoints import last_whole, step_of
from pe.training.checks.start import check_start
from pe.training.conversations import check_wordings
from pe.training.loading import Examples
from pe.training.logs import JsonLines, Progress
from pe.training.lora import lora_config
from pe.training.model import Start, start_model
from pe.training.order import order_of, steps_of
from pe.training.rollouts import KeepRollouts, RolloutReward
from pe.training.rows import Rows, find_shards
from pe.training.settings import GrpoStage, SftStage, TrainSettings
from pe.training.trainers import Grpo, Sft, Work, shape_of
from pe.training.watch import Watch


class StopOnSignal(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """After a signal, saves and stops at the next step at which a checkpoint holds everything."""

    def __init__(self, signals: Signals, every: int) -> None:
        self._signals = signals
        self._every = every

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See the class."""
        # The processes are signalled at different steps, and stop at the same one.
        if state.global_step % self._every == 0 and any(gather_object([self._signals.stop()])):
            control.should_save = control.should_training_stop = True


def run_stage(
    settings: TrainSettings,
    stage: SftStage | GrpoStage,
    folder: Path,
    model: str,
    signals: Signals,
    progress: Progress,
) -> dict[str, Any]:
    """Train `stage` from `model`, or on from its last whole checkpoint; the model is in `folder`/model.part then.

    Returns what is known of the finished stage. Raises Interrupted after a signal.
    """
    rows = Rows(find_shards(stage.data), "rl" if isinstance(stage, GrpoStage) else "sft")
    order = order_of(rows.keys(), stage, settings.seed)
    steps = steps_of(stage, order.count, int(os.environ.get("WORLD_SIZE", "1")))
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with signals.at_once():
        checkpoint = last_whole(folder)
        start = start_model(settings, stage, model, checkpoint)
        leader = os.environ.get("RANK", "0") == "0"
        report = check_start(settings, stage, start, rows) if leader else None
        examples = Examples(rows, stage, start.processor, settings.seed)
        work = Work(stage, examples, order, steps, checkpoint, step_of(checkpoint) if checkpoint else 0)
        trainer = _trainer(settings, work, start, folder, rows, model)
    notes = report.notes if report is not None else []
    if notes:
        progress(folder.name, work.start, steps, {"notes": notes})
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(JsonLines(folder, trainer.batches.epochs, progress))
    if report is not None:
        trainer.add_callback(Watch(stage, folder, report.moves))
    trainer.add_callback(StopOnSignal(signals, stage.logging_steps * getattr(stage, "num_iterations", 1)))
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if trainer.state.global_step < steps:
        raise Interrupted(signals.received or signal.SIGTERM)
    _save(trainer, start, stage, folder / "model.part")
    return {"steps": steps, "rows": order.count, "model": model, "notes": notes, "last": _last_line(folder)}


def _trainer(settings: TrainSettings, work: Work, start: Start, folder: Path, rows: Rows, model: str) -> Any:
    stage = work.stage
    arguments = arguments_of(settings, stage, folder, work.steps, start.processor)
    if isinstance(stage, GrpoStage) and stage.beta and stage.lora is None:
        _keep_reference(start, folder / "reference", model)
    common = {
        "model": start.model,
        "args": arguments,
        "train_dataset": shape_of(work.examples[work.order.row(0)]),
        "processing_class": start.processor,
        "peft_config": lora_config(start.model, stage, bool(start.new_tokens)),
    }
    trainer: Any
    try:
        if isinstance(stage, GrpoStage):
            if stage.wordings:
                check_wordings(stage.wordings)
            monitor = Monitor(max_tokens=stage.max_completion_length)
            reward = RolloutReward(stage, monitor, start.tokenizer, end_tokens(start.model, start.tokenizer))
            trainer = Grpo(reward_funcs=reward, **common)
            trainer.monitor = monitor
            trainer.add_callback(KeepRollouts(folder, reward, trainer, rows))
        else:
            trainer = Sft(**common)
    except (ValueError, NotImplementedError) as error:
        raise ConfigError([f"stage {folder.name}: {' '.join(str(error).split())[:300]}"]) from error
    trainer.set_work(work)
    return trainer


def _keep_reference(start: Start, folder: Path, model: str) -> None:
    """Tell TRL where the reference model is: what the stage began with, in `folder` where that had new tokens.

    TRL looks for it where the policy came from, which is a checkpoint for a run that goes on.
    """
    state = PartialState()
    if start.new_tokens and not folder.is_dir() and state.is_main_process:
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        with disk_errors(folder):
            start.model.save_pretrained(part)
            part.rename(folder)
    state.wait_for_everyone()
    start.model.config._name_or_path = str(folder if folder.is_dir() else resolve("transformers", model).path)


def _save(trainer: Any, start: Start, stage: SftStage | GrpoStage, folder: Path) -> None:
    """The whole model and its processor; adapters are merged into it."""
    shutil.rmtree(folder, ignore_errors=True)
    with disk_errors(folder):
        if stage.lora is None:
            trainer.save_model(str(folder))
            (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle of this machine's paths
        elif trainer.args.should_save:
            merged = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
            merged.save_pretrained(folder)
            start.processor.save_pretrained(folder)


def _last_line(folder: Path) -> Mapping[str, Any]:
    try:
        lines = (folder / "metrics.jsonl").read_bytes().splitlines()
        return dict(json.loads(lines[-1])) if lines else {}
    except OSError:
        return {}
