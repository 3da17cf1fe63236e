"""What a section's command is called with, and the settings that it validates."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pe.errors import ConfigError
from pe.recipes.plan import Step
from pe.schemas.settings import load_settings


@dataclass(frozen=True)
class Command:
    """`settings` is "module:Class"; `given` is what the command itself adds to them.

    `words` are the command line; {config} is the file with the settings, {KEY} the setting KEY. A command that `grows`
    looks at a source of pictures each time, as there may be more in it; the others are done while nothing changes.
    `apart` are the settings that are words alone, a word more each where they are `optional`.
    """

    settings: str
    words: tuple[str, ...]
    given: Mapping[str, Any]
    grows: bool = False
    apart: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def line(self, step: Step, config: str) -> list[str]:
        """The words of the command line of `step`."""
        known = {**step.settings, "config": config}
        more = [word for key in self.optional if key in known for word in (f"--{key}", str(known[key]))]
        return [*(word.format_map(known) for word in self.words), *more]

    def filed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What of a step's settings goes into the file."""
        return {key: value for key, value in settings.items() if key not in (*self.apart, *self.optional)}


_MIXES = "pe.engines.mixes.settings:MixSettings"
SECTIONS = {
    "synth": Command("pe.engines.synthetic.settings:SynthSettings", ("synth", "{out}", "--config", "{config}"), {}),
    "annotate": Command(
        "pe.engines.settings:AnnotateSettings", ("annotate", "{source}", "{out}", "--config", "{config}"), {}, True
    ),
    "build_sft": Command(_MIXES, ("build-sft", "{config}", "{out}"), {"kind": "sft"}),
    "build_rl": Command(_MIXES, ("build-rl", "{config}", "{out}"), {"kind": "rl"}),
    "mine": Command(
        "pe.evaluation.mining:MineSettings", ("mine", "{model}", "{out}", "--on", "{on}", "--config", "{config}"), {}
    ),
    "train": Command("pe.training.settings:TrainSettings", ("train", "{config}", "--out", "{out}"), {}),
    "eval": Command(
        "pe.evaluation.eval_settings:EvalSettings",
        ("eval", "{model}", "--on", "{on}", "--out", "{out}", "--config", "{config}"),
        {},
        apart=("model", "on", "out"),
        optional=("compare",),
    ),
}


def settings_of(step: Step) -> BaseModel:
    """The validated settings of `step`; raises ConfigError with every problem, each with the step's name."""
    command = SECTIONS[step.section]
    module, _, name = command.settings.partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    problems = [f"{step.name}: it needs {key}" for key in command.apart if not isinstance(step.settings.get(key), str)]
    try:
        settings = load_settings(model, step.section, {**command.filed(step.settings), **command.given}, environ={})
    except ConfigError as error:
        problems += [f"{step.name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return settings
