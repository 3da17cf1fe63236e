"""Whether a recipe can run, told without a GPU: its names are real, its paths are made or named, its sizes add up."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pe import registry
from pe.annotators.checkpoints import known_checkpoints
from pe.engines.filters._base import build_filters
from pe.engines.mixes.filters._base import build_row_filters
from pe.engines.mixes.settings import Foreign, Leaf, MixSettings
from pe.engines.mixes.survey import build_task
from pe.engines.settings import AnnotateSettings
from pe.engines.tasks._wordings import load_pool
from pe.errors import ConfigError, InputError
from pe.recipes.commands import settings_of
from pe.recipes.plan import Recipe, Step
from pe.schemas.sample import dumps
from pe.training.settings import GrpoStage, TrainSettings
from pe.verifiers import panel

_HUB = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w.-]+)?")
_TOKEN = 28 * 28
"""Pixels of one image token of Qwen2-VL and Qwen2.5-VL, whose processors `max_pixels` is for."""


def faults(recipe: Recipe) -> list[str]:
    """Everything that is wrong with `recipe`, each with its step; none when it can run."""
    return list(_Check(recipe).all())


class _Check:
    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._made: dict[str, Step] = {}
        self._used: set[str] = set()
        self._models: set[str] = set()
        self._formats: set[str] = set()

    def all(self) -> Iterator[str]:
        for step in self._recipe.steps:
            try:
                settings = settings_of(step)
            except ConfigError as error:
                yield from error.problems
                settings = None
            if settings is not None:
                yield from (f"{step.name}: {problem}" for problem in self._step(step, settings))
            if step.out:
                self._made[step.out.rstrip("/")] = step
        yield from (
            f"recipe.needs: no step uses {word}" for word in self._recipe.header.needs if word not in self._used
        )
        stages = {name for step in self._recipe.steps if step.section == "train" for name in _stage_names(step)}
        yield from (
            f"recipe.batch: no stage is called {name}" for name in self._recipe.header.batch if name not in stages
        )

    def _step(self, step: Step, settings: BaseModel) -> Iterator[str]:
        if isinstance(settings, AnnotateSettings):
            yield from self._annotate(settings)
        elif isinstance(settings, MixSettings):
            yield from self._mix(settings)
        elif isinstance(settings, TrainSettings):
            yield from self._train(settings)
        for key in ("model", "on", "compare", "scenes"):
            if key in step.settings and step.section in ("mine", "eval"):
                word = str(step.settings[key])
                yield from self._model(word) if key == "model" else self._path(word)

    def _annotate(self, settings: AnnotateSettings) -> Iterator[str]:
        for kind in ("detector", "segmenter", "captioner"):
            name = getattr(settings, kind)
            yield from [] if name == "none" else _caught(lambda: registry.load(f"{kind}s", name))  # noqa: B023
            model = getattr(settings, f"{kind}_model")
            if model and kind != "captioner":
                yield from self._model(model)
        yield from _caught(lambda: build_filters(settings.filters))
        yield from self._path(settings.source)
        if isinstance(settings.phrases, str) and settings.phrases.endswith(".txt"):
            yield from self._path(settings.phrases)
        if settings.annotations:
            yield from self._path(settings.annotations)

    def _mix(self, settings: MixSettings) -> Iterator[str]:
        for leaf in settings.leaves:
            yield from (f"{leaf.task}: {problem}" for problem in self._leaf(leaf, settings.kind))
        for word in settings.exclude:
            yield from self._path(word)
        if settings.tokenizer:
            yield from self._model(settings.tokenizer)
        longest = self._recipe.header.lengths.row
        if settings.kind == "sft" and longest:
            for leaf in settings.leaves:
                most = leaf.filters.get("tokens", {}).get("max")
                if most is None or most > longest:
                    yield f"{leaf.task}: rows have at most {longest} tokens; its filter lets {most or 'all'} through"

    def _leaf(self, leaf: Leaf, kind: str) -> Iterator[str]:
        if isinstance(leaf.data, Foreign):
            for word in (leaf.data.annotations, leaf.data.images):
                yield from self._path(word) if word else []
        else:
            yield from self._path(leaf.data)
        self._formats.add(leaf.format)
        yield from _caught(lambda: registry.load("formats", leaf.format))
        yield from _caught(lambda: build_row_filters(leaf.filters))
        task: list[Any] = []
        yield from _caught(lambda: task.append(build_task(leaf)))
        if task and kind == "rl":
            yield from _caught(lambda: _judge(leaf, task[0]))

    def _train(self, settings: TrainSettings) -> Iterator[str]:
        yield from self._model(settings.model)
        if settings.format:
            yield from _caught(lambda: registry.load("formats", settings.format))
        for name in sorted(self._formats - {settings.format}):
            vocabulary = _caught_value(lambda: registry.load("formats", name).vocabulary)  # noqa: B023
            if vocabulary is not None and vocabulary.origin != "native":
                yield f"rows are in the format {name}, whose tokens the model lacks: say format: {name}"
        header = self._recipe.header
        tokens = -(-(settings.max_pixels or 0) // _TOKEN)
        for name, stage in zip(settings.stage_names, settings.stages, strict=True):
            yield from _scheduler(stage.lr_scheduler_type)
            for word in stage.data:
                yield from (f"{name}: {problem}" for problem in self._data(word, stage.kind))
            if not stage.data:
                yield f"{name}: it has no data"
            if stage.curriculum:
                yield from self._path(str(stage.curriculum.scores))
            step = stage.per_device_train_batch_size * stage.gradient_accumulation_steps * header.devices
            sizes = (
                f"{stage.per_device_train_batch_size} x {stage.gradient_accumulation_steps} x {header.devices} devices"
            )
            rows = step
            limit, what = header.lengths.row, "row"
            if isinstance(stage, GrpoStage):
                for count in (stage.num_generations, *stage.generations.values()):
                    if step % count:
                        yield f"{name}: {sizes} = {step} completions a step are no whole groups of {count}"
                rows = step // stage.num_generations
                limit, what = header.lengths.prompt, "prompt"
                if stage.wordings:
                    yield from _caught(lambda: load_pool(stage.wordings))  # noqa: B023
                wanted = header.lengths.completion
                if wanted and stage.max_completion_length != wanted:
                    yield f"{name}: max_completion_length is {stage.max_completion_length}, by recipe.lengths {wanted}"
            if name in header.batch and header.batch[name] != rows:
                yield f"{name}: a step takes {header.batch[name]} by recipe.batch, and {sizes} make {rows}"
            if limit and tokens >= limit:
                yield f"{name}: a picture of max_pixels has {tokens} tokens, and a {what} {limit}"
            self._models.add(f"{settings.out}/{name}/model")

    def _data(self, word: str, kind: str) -> Iterator[str]:
        step = self._made.get(word.rstrip("/"))
        if step is None:
            yield from self._path(word)
        elif step.section not in {"sft": ("build_sft",), "grpo": ("build_rl", "mine")}[kind]:
            yield f"{word} is made by {step.name}, which makes no rows for a stage of kind {kind}"

    def _model(self, word: str) -> Iterator[str]:
        known = {entry.name for entry in known_checkpoints()}
        if word in known or word in self._models:
            return
        if word.split("/")[0] in {made.split("/")[0] for made in self._made}:
            yield f"no step before makes the model {word} (they make {', '.join(sorted(self._models)) or 'none'})"
        elif word not in self._recipe.header.needs and not _HUB.fullmatch(word):
            near = difflib.get_close_matches(word, sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"no model is called {word}{hint} (pe models lists those that are known; a hub id is ORG/NAME)"
        elif word in self._recipe.header.needs:
            self._used.add(word)

    def _path(self, word: str) -> Iterator[str]:
        """Made by a step before, or named in `needs`, itself or a folder above it."""
        for above in (word.rstrip("/"), *map(str, Path(word).parents)):
            if above in self._made:
                return
            if above in self._recipe.header.needs:
                self._used.add(above)
                return
        yield f"no step before makes {word}, and recipe.needs does not say where it is from"


def _judge(leaf: Leaf, task: Any) -> None:
    """Raise InputError where the leaf's verifier, its parameters or weights are not those of one that is there."""
    chosen = task.parameters
    name = chosen.verifier or task.verifier
    if not name:
        raise InputError("it has no verifier: name one in its parameters")
    parameters = {"format": leaf.format, **(chosen.verifier_parameters if chosen.verifier else {})}
    found = panel(name, dumps(parameters))
    unknown = sorted(set(chosen.weights) - set(found.components))
    if chosen.verifier and "weights" in chosen.model_fields_set and unknown:
        raise InputError(f"{name} has no component {', '.join(unknown)} (it returns {', '.join(found.components)})")


def _stage_names(step: Step) -> list[str]:
    stages = step.settings.get("stages")
    return (
        [str(item.get("name") or item.get("kind")) for item in stages if isinstance(item, dict)]
        if isinstance(stages, list)
        else []
    )


def _scheduler(name: str) -> Iterator[str]:
    try:
        from transformers.trainer_utils import SchedulerType
    except ImportError:
        return
    known = [item.value for item in SchedulerType]
    if name not in known:
        yield f"no learning rate schedule is called {name!r} (known: {', '.join(known)})"


def _caught(call: Callable[[], object]) -> list[str]:
    try:
        call()
    except ConfigError as error:
        return error.problems
    except InputError as error:
        return [str(error)]
    return []


def _caught_value(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        return None
