"""A recipe's file: what it says of itself, and its steps in the order of the file."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pe.errors import ConfigError
from pe.schemas.settings import COMMANDS, read_yaml

HEADER = "recipe"


class Lengths(BaseModel):
    """Tokens: of a whole row in SFT, of a prompt with its picture, and of a completion. 0 where nothing is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int = Field(0, ge=0)
    prompt: int = Field(0, ge=0)
    completion: int = Field(0, ge=0)


class Header(BaseModel):
    """Section `recipe`, which no command reads: what the others are held against.

    `devices` are the GPUs that the batches are meant for, `zero` is the stage of DeepSpeed's ZeRO that splits training
    over them, 0 for none. `batch` is what an optimiser step of a stage takes: rows in SFT, prompts in GRPO. `needs`
    tells of each path that no step makes what it is and where to get it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str = ""
    devices: int = Field(1, ge=1)
    zero: Literal[0, 2, 3] = 0
    batch: dict[str, int] = {}
    lengths: Lengths = Lengths.model_validate({})
    needs: dict[str, str] = {}


@dataclass(frozen=True)
class Step:
    """One run of one command. `number` counts the steps of its section, from 1; `of` is how many there are."""

    section: str
    number: int
    of: int
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """The section, with the number where there are several."""
        return f"{self.section} {self.number}" if self.of > 1 else self.section

    @property
    def file_name(self) -> str:
        """What its files are called, which stays the step's own when others are put before it."""
        name = (self.out or str(self.number)).replace("%", "%25").replace("+", "%2B").replace("/", "+")
        data = name.encode()
        if len(data) > _LONGEST:
            name = f"{hashlib.sha256(data).hexdigest()[:16]}-{data[17 - _LONGEST :].decode(errors='ignore')}"
        return f"{self.section}-{name}"

    @property
    def out(self) -> str:
        """The folder that it writes, "" where it says none."""
        return str(self.settings.get("out") or "")


_LONGEST = 200
"""Bytes of a file's name, less than a file system takes."""


@dataclass(frozen=True)
class Recipe:
    """A file's header and steps. `path` is where it was read."""

    path: Path
    header: Header
    steps: tuple[Step, ...]


def read_recipe(path: Path) -> Recipe:
    """The recipe in `path`; a section holds one step's settings, or a list of them. Raises ConfigError (all faults)."""
    try:
        data = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{path}: not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(data, dict) or not data:
        raise ConfigError([f"{path}: expected sections such as 'build_sft:' and 'train:'"])
    problems: list[str] = []
    header = Header.model_validate({"title": path.stem})
    steps: list[Step] = []
    for name, value in data.items():
        if name == HEADER:
            try:
                header = Header.model_validate(value)
            except ValidationError as error:
                problems += [f"recipe.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            continue
        if name not in COMMANDS:
            near = difflib.get_close_matches(str(name), COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            problems.append(f"{path}: unknown section {name!r}{hint} (known: {', '.join(COMMANDS)})")
            continue
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items, 1):
            if not isinstance(item, dict):
                problems.append(f"{path}: section {name} must hold keys or a list of such, found {item!r:.40}")
            else:
                steps.append(Step(str(name), number, len(items), item))
    if not problems and not steps:
        problems.append(f"{path}: there is no section to run")
    problems += _clashes([step.out for step in steps if step.out])
    if problems:
        raise ConfigError(problems)
    return Recipe(path, header, tuple(steps))


def _clashes(outs: list[str]) -> Iterator[str]:
    """What is wrong with the folders that steps write."""
    places: dict[PurePosixPath, str] = {}
    for out in outs:
        if has_magic(out) or out[0] in "-~" or not out.isprintable():
            yield f"out {out!r}: a step writes one folder, whose name has no *, ?, [, and does not begin with - or ~"
            continue
        place = PurePosixPath(os.path.normpath(out))
        for other, name in places.items():
            if place == other:
                yield f"two steps write {name}" + (f" (also called {out})" if out != name else "")
            elif place in other.parents or other in place.parents:
                yield f"one step writes {name} and another {out}: neither may lie in the other"
        places.setdefault(place, out)
