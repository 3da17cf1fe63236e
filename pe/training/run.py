"""`pe train`: the stages of a run, one after the other, each from where it was."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe.annotators.checkpoints import resolve
from pe.engines.devices import resolve_device
from pe.engines.signals import Signals
from pe.errors import ConfigError, InputError
from pe.registry import require
from pe.training.folder import RunFolder
from pe.training.rows import find_shards, kind_of
from pe.training.settings import GrpoStage, SftStage, TrainSettings, device_index

KINDS = {"sft": "sft", "rl": "grpo"}
"""The kind of the stage that takes rows of a kind."""


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its folder, steps, the last logged figures, and whether it was finished before."""

    name: str
    folder: Path
    facts: dict[str, Any]
    before: bool


def with_data(settings: TrainSettings, data: Sequence[str]) -> TrainSettings:
    """`settings` with the shards `data` in place of those of the stages of their kind.

    Raises InputError for rows that no stage takes.
    """
    by_kind: dict[str, list[str]] = {}
    for word in data:
        kind = next((found for found in map(kind_of, find_shards([word])) if found), "")
        if kind not in KINDS:
            raise InputError(
                f"{word}: its rows are {kind or 'none'}: `pe build-sft` and `pe build-rl` make rows for training"
            )
        by_kind.setdefault(KINDS[kind], []).append(word)
    unused = sorted(set(by_kind) - {stage.kind for stage in settings.stages})
    if unused:
        raise InputError(f"--data {by_kind[unused[0]][0]}: the run has no {unused[0]} stage that takes it")
    stages = [stage.model_copy(update={"data": by_kind.get(stage.kind, stage.data)}) for stage in settings.stages]
    return settings.model_copy(update={"stages": stages})


def train(settings: TrainSettings, only: str | None = None, progress: Any = None) -> list[StageResult]:
    """Run the stages of `settings`, or those of the kind `only`; a finished one is skipped, a begun one goes on.

    `progress(stage, step, steps, figures)` is told of every logged step. Raises ConfigError for a stage without data,
    InputError where the folder holds another run, Interrupted after SIGINT or SIGTERM, once a checkpoint is written.
    """
    stages = chosen_stages(settings, only)
    folder = RunFolder(settings)
    places = [place for place, _ in stages if not folder.is_done(settings.stage_names[place])]
    if 0 in places:
        resolve("transformers", settings.model)  # what is not there is said before anything heavy is loaded
    if places:
        prepare(settings)
    with Signals() as signals:
        if os.environ.get("RANK", "0") != "0":
            return _run(settings, stages, folder, signals, progress)
        with folder.locked():
            folder.begin()
            if places:
                folder.note_environment()
            return _run(settings, stages, folder, signals, progress)


def chosen_stages(settings: TrainSettings, only: str | None) -> list[tuple[int, SftStage | GrpoStage]]:
    """The stages to run with their places. Raises ConfigError for one without data."""
    chosen = [(place, stage) for place, stage in enumerate(settings.stages) if only in (None, stage.kind)]
    if not chosen:
        raise ConfigError([f"--stage {only}: the run has no {only} stage"])
    problems = [
        f"stage {settings.stage_names[place]} has no data: name {'rl' if stage.kind == 'grpo' else 'sft'} shards in "
        "the file or with --data"
        for place, stage in chosen
        if not stage.data
    ]
    if problems:
        raise ConfigError(problems)
    return chosen


def prepare(settings: TrainSettings) -> None:
    """Choose the device before torch looks for one, and keep libraries quiet. Raises MissingExtra, InputError."""
    require("training", "train", "torch", "transformers", "trl", "accelerate", "datasets")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if settings.device != "cpu" and "LOCAL_RANK" not in os.environ:
        # Of several GPUs one process takes one: more of them are for `accelerate launch`.
        seen = [word for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word]
        index = device_index(settings.device) or 0
        if index < len(seen) or not seen:
            os.environ["CUDA_VISIBLE_DEVICES"] = seen[index] if seen else str(index)
    resolve_device("cuda" if settings.device.startswith("cuda") else settings.device, uses_torch=True)
    import logging
    import warnings

    from transformers.utils import logging as transformers_logging

    # Of transformers and TRL to each other.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\.")
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # TRL prints whole rows, a model's text among them, where a score is missing.
    logging.getLogger("trl").setLevel(logging.ERROR)


def model_before(settings: TrainSettings, folder: RunFolder, place: int) -> str:
    """The model that the stage at `place` starts from: that of the stage before it, or the run's.

    Raises InputError where the stage before it is not finished.
    """
    if place == 0:
        return settings.model
    before = settings.stage_names[place - 1]
    if not folder.is_done(before):
        raise InputError(
            f"stage {settings.stage_names[place]} starts from stage {before}, which is not finished: run it first"
        )
    return str(folder.stage(before) / "model")


def _run(
    settings: TrainSettings,
    stages: list[tuple[int, SftStage | GrpoStage]],
    folder: RunFolder,
    signals: Signals,
    progress: Any,
) -> list[StageResult]:
    import json

    results = []
    for place, stage in stages:
        name = settings.stage_names[place]
        before = folder.is_done(name)
        if not before:
            _run_stage(settings, place, stage, folder, signals, progress or (lambda *_: None))
        facts = json.loads((folder.stage(name) / "done.json").read_bytes())
        results.append(StageResult(name, folder.stage(name), facts, before))
    return results


def _run_stage(
    settings: TrainSettings, place: int, stage: SftStage | GrpoStage, folder: RunFolder, signals: Signals, progress: Any
) -> None:
    from accelerate import PartialState  # type: ignore[import-untyped]

    from pe.training.failures import one_line
    from pe.training.stage import run_stage

    name = settings.stage_names[place]
    with one_line(folder.stage(name)):
        started = time.monotonic()
        model = model_before(settings, folder, place)
        facts = run_stage(settings, stage, folder.stage(name), model, signals, progress)
        state = PartialState()
        if state.is_main_process:
            whole = folder.stage(name) / "model"
            shutil.rmtree(whole, ignore_errors=True)
            (folder.stage(name) / "model.part").rename(whole)
            folder.finish(name, {**facts, "seconds": round(time.monotonic() - started, 1)})
        state.wait_for_everyone()
