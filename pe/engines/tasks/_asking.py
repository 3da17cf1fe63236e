"""What all tasks share: their parameters, their wordings, and how an exchange is put together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

import numpy as np
from pydantic import Field

from pe.engines.tasks._base import Exchange, Parameters, Task
from pe.engines.tasks._wordings import Wordings, load_pool
from pe.errors import InputError
from pe.formats import Answer, Format

T = TypeVar("T")

_DICTIONARY = re.compile(r"""\s*\{\s*["']\w+["']\s*:""")
_CHAT_MARKS = ("<|", "<image", "<video", "<audio", "<img>", "<think>", "</think>", "<answer>", "</answer>")
_ARTICLE = re.compile(r"(?:the|an?)\s+(?=\S)", re.IGNORECASE)


class Asking(Parameters):
    """What every task takes.

    `wordings` is the name of a pool or a YAML file; what it has no wording for is asked in plain words. `thinking`: put
    the pool's thinking prompts around questions, where it has any. `limit` is the most questions about what is there
    that a sample gives, drawn at random; 0 for all. `verifier`, `verifier_parameters` and `weights` replace the task's.
    """

    wordings: str = "plain"
    thinking: bool = True
    limit: int = Field(0, ge=0)
    verifier: str = ""
    verifier_parameters: dict[str, Any] = Field(default={})
    weights: dict[str, float] = Field(default={"accuracy": 1.0, "format": 0.1})


class AskingTask(Task):
    """A task with a pool of wordings. A subclass names its `topics`, its `verifier` and its `ability`."""

    Parameters: ClassVar[type[Parameters]] = Asking
    topics: tuple[str, ...]
    verifier: str = ""
    ability: str

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        pool = load_pool(parameters.wordings)
        topics = pool.questions.keys() | pool.thinking.keys()
        if not any(topic in topics for topic in self.topics):
            raise InputError(
                f"the wordings {parameters.wordings} have none of {', '.join(self.topics)} (they have "
                f"{', '.join(sorted(topics)) or 'nothing'})"
            )
        self.wordings = Wordings(pool, parameters.thinking)

    def exchange(
        self,
        topic: str,
        form: Format,
        values: dict[str, str],
        answer: Answer,
        truth: Mapping[str, Any],
        rng: np.random.Generator,
        verifier: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> Exchange:
        """The exchange about `topic` with `values` for the placeholders.

        `verifier` stands for the class's own, and `settings` are its parameters; both give way to what the mix says.
        Words are put around an answer where its format is bare coordinates: names and tags leave no place for any.
        """
        question = self.wordings.ask(topic, rng, values)
        wording = self.wordings.answer(topic, rng)
        chosen = self.parameters
        own = chosen.verifier_parameters
        bare = not form.named and bool(answer.objects)
        return Exchange(
            question,
            answer,
            truth,
            chosen.verifier or verifier or self.verifier,
            self.ability,
            own if chosen.verifier else {**(settings or {}), **own},
            chosen.weights,
            wording if bare else "{answer}",
            self.wordings.pool.system,
        )

    def askable(self, phrase: str, form: Format, *, written: bool = True) -> bool:
        """Whether `phrase` can stand in a question and, if `written`, in an answer; counts what cannot."""
        if not phrase:
            return False
        reason = ""
        if _DICTIONARY.match(phrase):
            reason = "a phrase is a printed dictionary"
        elif any(mark in phrase.lower() for mark in _CHAT_MARKS):
            reason = "a phrase holds a mark of chat templates"
        elif written and any(mark in phrase for mark in form.reserved):
            reason = "a phrase holds a mark of the format"
        if reason:
            self.skipped[reason] += 1
        return not reason

    def can_deny(self, form: Format) -> bool:
        """Whether the format can say that nothing is there; counts a question that it cannot answer."""
        if says_none(type(form)):
            return True
        self.skipped["the format cannot say that nothing is there"] += 1
        return False

    def some(self, things: Sequence[T], rng: np.random.Generator) -> list[T]:
        """At most `limit` of `things`, in their order."""
        limit = self.parameters.limit
        if not limit or len(things) <= limit:
            return list(things)
        return [things[int(place)] for place in sorted(rng.choice(len(things), limit, replace=False))]


@lru_cache(maxsize=256)
def says_none(kind: type[Format]) -> bool:
    """Whether a format of this kind reads its own empty answer as "nothing there"."""
    form, image = kind(), (64, 48)
    try:
        text = form.encode(Answer(absent=("thing",)), image)
    except InputError:
        return False
    return form.decode(text, image, asked="thing").status == "none-present"


def clean(phrase: str) -> str:
    """`phrase` on one line, without doubled spaces."""
    return " ".join(phrase.split())


def missing(absent: Sequence[str], present: Sequence[str]) -> list[str]:
    """The phrases of `absent`, once and clean, without those that are `present` in any case of letters."""
    there = {phrase.casefold() for phrase in present}
    return [phrase for phrase in dict.fromkeys(map(clean, absent)) if phrase and phrase.casefold() not in there]


def one(phrase: str) -> dict[str, str]:
    """The placeholders for one phrase: as it is, and without its article."""
    return {"phrase": phrase, "bare": _ARTICLE.sub("", phrase, count=1) if _ARTICLE.match(phrase) else phrase}


def several(phrases: Sequence[str]) -> dict[str, str]:
    """The placeholders for phrases: "a, b", Python's ['a', 'b'], one a line, and LocateAnything's a</c>b."""
    return {
        "phrases": ", ".join(phrases),
        "list": repr(list(phrases)),
        "bullets": "\n".join(f"- {phrase}" for phrase in phrases),
        "split": "</c>".join(phrases),
    }
