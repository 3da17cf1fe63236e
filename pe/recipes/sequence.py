"""The plain sequence: each step of a recipe as its command, in the folder that all paths are relative to."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

import yaml

from pe.errors import ConfigError, InputError
from pe.recipes.commands import SECTIONS, settings_of
from pe.recipes.plan import Recipe, Step
from pe.recipes.state import is_done, note_done
from pe.shards.output import disk_errors

NOTES = "recipe"
"""The folder in the output where each step's settings, what it printed, and that it is done are kept."""


def run_recipe(recipe: Recipe, out: Path, *, start: str = "", dry: bool = False, say: Callable[[str], None]) -> int:
    """Run the steps of `recipe`, the first of section `start` and those after it; returns the exit code of the first
    that fails, else 0.

    `say` gets one line a step. A step whose settings, inputs and output are as they were when it ended well is left
    out; one that was interrupted goes on, as its command does. With `dry`, only what would be done is said. Raises
    ConfigError with the faults of all steps before anything runs.
    """
    sections = [step.section for step in recipe.steps]
    if start and start not in sections:
        raise InputError(
            f"{recipe.path} has no section {start!r} to start from (it has {', '.join(dict.fromkeys(sections))})"
        )
    problems: list[str] = []
    for step in recipe.steps:
        try:
            settings_of(step)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    if not dry:
        with disk_errors(out):
            (out / NOTES).mkdir(parents=True, exist_ok=True)
    first = sections.index(start) if start else 0
    width = max(len(step.name) for step in recipe.steps)
    with _alone(out, dry) as lock:
        for index, step in enumerate(recipe.steps):
            note = out / NOTES / f"{step.file_name}.json"
            label = f"{step.name:{width}}  {step.out}"
            if index < first:
                say(f"{label}  left out")
            elif not _grows(recipe, step) and is_done(step, out, note):
                say(f"{label}  unchanged")
            elif dry:
                say(f"{label}  to do")
            else:
                began = time.monotonic()
                code = _run(recipe, step, out, note, lock)
                seconds = time.monotonic() - began
                say(f"{label}  {'done' if not code else f'failed with exit code {code}'} in {seconds:.0f} s")
                if code:
                    return code
                note_done(step, out, note)
    return 0


def _grows(recipe: Recipe, step: Step) -> bool:
    """Whether there may be more in the source of `step` than its state tells: it is large, and no step makes it."""
    source = PurePosixPath(str(step.settings.get("source")))
    made = {PurePosixPath(other.out) for other in recipe.steps if other.out}
    return SECTIONS[step.section].grows and made.isdisjoint((source, *source.parents))


def _run(recipe: Recipe, step: Step, out: Path, note: Path, lock: int) -> int:
    settings, launcher = _fitted(recipe, step)
    config = note.with_suffix(".yaml")
    filed = {step.section: SECTIONS[step.section].filed(settings)}
    with disk_errors(config):
        config.write_text(yaml.safe_dump(filed, sort_keys=False, allow_unicode=True), "utf-8")
        note.unlink(missing_ok=True)
        log = note.with_suffix(".log").open("wb")
    words = SECTIONS[step.section].line(step, str(config.relative_to(out)))
    with log:
        # What a command prints is kept; how it gets on and what is wrong is for the eyes.
        # In a session of its own, a signal reaches the command once, from here; it keeps the lock if this ends first.
        command = [sys.executable, *launcher, "-m", "pe", *words]
        child = subprocess.Popen(
            command, cwd=out, env=_without_settings(), stdout=log, start_new_session=True, pass_fds=[lock]
        )
        with _passing_on(child):
            code = child.wait()
    return code if code >= 0 else 128 - code


def _without_settings() -> dict[str, str]:
    """The environment without PE_COMMAND__KEY: what a step makes is what its file says."""
    prefixes = tuple(f"PE_{section.upper()}__" for section in SECTIONS)
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _fitted(recipe: Recipe, step: Step) -> tuple[dict[str, Any], list[str]]:
    """A training's settings for the GPUs that are here, at the recipe's own batch, and what starts a process on each.

    Fewer GPUs than the recipe is written for accumulate more often. Raises InputError where they do not divide.
    """
    devices = recipe.header.devices
    if step.section != "train" or devices == 1:
        return step.settings, []
    import torch

    here = max(1, min(devices, torch.cuda.device_count()))
    if devices % here:
        raise InputError(f"{recipe.path} is for {devices} GPUs; the {here} here do not divide them: hide some")
    stages = [
        {**stage, "gradient_accumulation_steps": int(stage.get("gradient_accumulation_steps", 1)) * devices // here}
        for stage in step.settings["stages"]
    ]
    return {**step.settings, "stages": stages}, _launcher(here, recipe.header.zero)


def _launcher(processes: int, zero: int) -> list[str]:
    if processes == 1:
        return []
    split = ["--use_deepspeed", "--zero_stage", str(zero)] if zero else []
    # The whole model is gathered to be saved.
    whole = ["--zero3_init_flag", "false", "--zero3_save_16bit_model", "true"] if zero == 3 else []
    return ["-m", "accelerate.commands.launch", "--num_processes", str(processes), *split, *whole]


@contextmanager
def _alone(out: Path, dry: bool) -> Iterator[int]:
    """The lock that keeps others from running a recipe in `out` meanwhile, as a file descriptor."""
    if dry:
        yield -1
        return
    with disk_errors(out):
        handle = (out / NOTES / "lock").open("w")
    with handle as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{out}: another pe run works in it; wait for it or use another --out") from None
        yield lock.fileno()


@contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """SIGTERM and SIGINT are for the child, which ends as it has to."""

    def pass_on(signum: int, frame: FrameType | None) -> None:
        child.send_signal(signum)

    before = {signum: signal.signal(signum, pass_on) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
