"""Wordings of questions and answers: pools in YAML, read, checked, and filled with phrases as plain values."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pe.engines.tasks._lint import PLACEHOLDER, lint_templates
from pe.errors import InputError

HOME = Path(__file__).parents[2] / "formats" / "wordings"


class Pool(BaseModel):
    """The wordings of one style, by topic (a task has one or more topics; see docs/tasks.md for their placeholders).

    `thinking` are prompts around a {question}, by topic or for "any"; `answers` what stands around an {answer} that is
    not empty; `system` the system prompt. `known` are faults that `lint` finds and that belong there: published texts
    are kept as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = ""
    system: str = ""
    questions: dict[str, tuple[str, ...]] = {}
    answers: dict[str, tuple[str, ...]] = {}
    thinking: dict[str, tuple[str, ...]] = {}
    known: tuple[str, ...] = ()


class Wordings:
    """A pool, and the plain one for the topics that it does not have."""

    def __init__(self, pool: Pool, thinking: bool) -> None:
        self.pool = pool
        self._thinking = pool.thinking if thinking else {}

    def ask(self, topic: str, rng: np.random.Generator, values: dict[str, str]) -> str:
        """A question of `topic` drawn from the pool, filled with `values`, and a thinking prompt where there are any.

        Two numbers are drawn from `rng`, whatever the pool, so that pools can be exchanged without changing the rest.
        """
        first, second = rng.random(2)
        pool = self.pool if topic in self.pool.questions else load_pool("plain")
        question = fill(_one(pool.questions[topic], first), values)
        prompts = self._thinking.get(topic) or self._thinking.get("any") or ("{question}",)
        return fill(_one(prompts, second), {"question": question})

    def answer(self, topic: str, rng: np.random.Generator) -> str:
        """A wording for an answer of `topic` with {answer} in it; one number is drawn from `rng`."""
        return _one(self.pool.answers.get(topic) or ("{answer}",), rng.random())


def fill(template: str, values: dict[str, str]) -> str:
    """`template` with each {placeholder} replaced by its value, in one pass: what a value holds is never looked at.

    Raises KeyError for a placeholder without a value and TypeError for a value that is no text.
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is {type(value).__name__}, not text: {value!r:.80}")
    return PLACEHOLDER.sub(lambda match: values[match[1]], template)


def lint(pool: Pool) -> list[str]:
    """What is wrong with the wordings of `pool`, one line each; empty for a good one.

    Found are unknown, missing and repeated placeholders, sentences run together, missing and doubled spaces, unbalanced
    or doubled quotes, unbalanced brackets, tags and fences, a dictionary printed into a text, duplicates and empty
    lists. Faults that the pool calls `known` are left out, and one that is known and not found is a fault.
    """
    found = [
        *lint_templates("questions", pool.questions),
        *lint_templates("answers", pool.answers),
        *lint_templates("thinking", pool.thinking),
    ]
    new = [fault for fault in found if fault not in pool.known]
    return new + [f"known: {fault!r} is not there" for fault in pool.known if fault not in found]


def pool_names() -> list[str]:
    """The pools that come with the package."""
    return sorted(path.stem for path in HOME.glob("*.yaml"))


@lru_cache(maxsize=64)
def load_pool(word: str) -> Pool:
    """The pool of that name, or of the YAML file at that path (a word with a slash or the suffix .yaml or .yml).

    Raises InputError for an unknown name, a file that is no pool, and one in which `lint` finds faults.
    """
    own = "/" in word or word.endswith((".yaml", ".yml"))
    path = Path(word).expanduser() if own else HOME / f"{word}.yaml"
    if not own and word not in pool_names():
        near = difflib.get_close_matches(word, pool_names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"no pool of wordings is called {word!r}{hint} (known: {', '.join(pool_names())}, or a file)")
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        pool = Pool.model_validate(data)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc'])) or 'wordings'}: {first['msg']}") from None
    faults = lint(pool) if own else []
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError(f"{path}: {faults[0]}{more}; mend it, or list it under `known`")
    return pool


def _one(templates: tuple[str, ...], drawn: float) -> str:
    return templates[int(drawn * len(templates))]
