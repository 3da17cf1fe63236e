"""Settings from their five places: flag > PE_COMMAND__KEY in the environment > file > preset > default."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pe.errors import ConfigError

PRESETS = Path(__file__).parents[1] / "presets"
COMMANDS = ("synth", "annotate", "build_sft", "build_rl", "mine", "train", "eval")

# A recipe says of itself what no command reads.
_SECTIONS = (*COMMANDS, "recipe")

S = TypeVar("S", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's truth values: true and false. `on` is a key of settings, and in YAML 1.1 another word for true.

    A key that stands twice in one mapping is an error: YAML forbids it, and its first value would be lost.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """See yaml.composer."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in first:
                    problem = f"the key {key.value!r} stands twice, first in line {first[key.value]}"
                    raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
                first[key.value] = key.start_mark.line + 1
        return node


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(text: str) -> Any:
    """The value of YAML `text`; raises yaml.YAMLError."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (ValueError, RecursionError) as error:
        # What YAML takes for a date or a number, and Python does not; brackets in thousands.
        raise yaml.YAMLError(str(error)) from None


def load_settings(
    model: type[S],
    command: str,
    flags: Mapping[str, Any],
    *,
    config: Path | None = None,
    preset: str = "",
    environ: Mapping[str, str] = os.environ,
) -> S:
    """The settings of `command`: every layer over the one below it, validated at once.

    `flags` holds what was given on the command line; None stands for "not given". Raises ConfigError with all
    problems: unknown keys (with the nearest known name), wrong types, values out of range, unreadable files.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    if preset:
        values |= _preset(command, preset)
    if config is not None:
        values |= _section(config, command)
    prefix = f"PE_{command.upper()}__"
    for name, text in environ.items():
        if name.startswith(prefix):
            try:
                values[name.removeprefix(prefix).lower()] = _scalar(text)
            except yaml.YAMLError:
                problems.append(f"{name}: not a YAML value: {text!r}")
    values |= {key: value for key, value in flags.items() if value is not None}
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        problems += [_problem(item, list(model.model_fields)) for item in error.errors()]
    if problems:
        raise ConfigError(problems)
    return settings


def presets(command: str) -> list[str]:
    """The names of the presets that ship for `command`."""
    return sorted(path.stem for path in (PRESETS / command).glob("*.yaml"))


def _scalar(text: str) -> Any:
    value = read_yaml(text)
    return text if isinstance(value, dict) else value


def _preset(command: str, name: str) -> dict[str, Any]:
    known = presets(command)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError([f"no preset is called {name!r}{hint} (known: {', '.join(known)})"])
    return _section(PRESETS / command / f"{name}.yaml", command)


def _section(path: Path, command: str) -> dict[str, Any]:
    try:
        data = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}: not YAML: {' '.join(str(error).split())}"]) from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError([f"{path}: expected sections such as '{command}:', found a {type(data).__name__}"])
    known = ", ".join(COMMANDS)
    unknown = [f"{path}: unknown section {key!r} (known: {known})" for key in data if key not in _SECTIONS]
    section = data.get(command) or {}
    if not isinstance(section, dict):
        unknown.append(f"{path}: section {command} must hold keys, found a {type(section).__name__}")
    if unknown:
        raise ConfigError(unknown)
    return dict(section)


def _problem(item: Any, known: list[str]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        near = difflib.get_close_matches(where, known, n=1)
        return f"unknown setting {where!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if item["type"] == "value_error":
        message = str(item["ctx"]["error"])
    else:
        message = item["msg"][0].lower() + item["msg"][1:] + f", got {item['input']!r}"
    return f"{where}: {message}" if where else message
