"""Questions and answers taken over from rows of others: text, choices, yes or no, mathematics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pe.engines.tasks._asking import Asking, AskingTask
from pe.engines.tasks._base import Exchange
from pe.formats import Answer, Format
from pe.registry import load
from pe.schemas.sample import Sample

__all__ = ["Qa"]

_IMAGE = re.compile(r"<image(?:-\d)?>\s?|<img>[^<\n]{0,4096}</img>\s?")
_OPTION = re.compile(r"^\s{0,8}\(?([A-H])[.):]\s{1,4}(\S.{0,400})$", re.MULTILINE)
_LETTER = re.compile(r"\(?([A-H])(?:[.):]|$)")


class QaParameters(Asking):
    """`verifier` is one for text: exact-text, fuzzy-text, choice, yes-no, maths, judge. `ability` is the row's name for
    what is asked."""

    verifier: str = "exact-text"
    ability: str = "question-answering"


class Qa(AskingTask):
    r"""One exchange for a row of one turn: the user's text, and `gold_text`, else what the assistant says.

    Thinking before the gold answer is kept as thought; \boxed{...} around it is taken off, for the format to write. The
    options of a choice are read from the question's lines, its gold answer is the letter, and a response is read for a
    letter whatever the format of the answer.
    """

    Parameters = QaParameters
    topics = ("qa",)

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.ability = parameters.ability
        self._text: Format = load("formats", "text")()
        self._boxed: Format = load("formats", "boxed")()

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        if "text" not in form.writes:
            self.skipped["the format does not write text"] += 1
            return
        system, turns = _turns(sample.messages_json)
        questions = [text for role, text in turns if role == "user"]
        replies = [text for role, text in turns if role == "assistant"]
        gold = sample.gold_text or (replies[0] if replies else "")
        if len(questions) != 1 or not questions[0] or not gold.strip():
            self.skipped["a row is no single question with an answer"] += 1
            return
        answer = self._answer(gold, (sample.width, sample.height))
        options = {letter: text.strip() for letter, text in _OPTION.findall(questions[0])}
        truth: dict[str, Any] = {"text": answer.text, "question": questions[0]}
        if self.parameters.verifier == "choice" and options:
            truth["options"] = options
            letter = _LETTER.match(answer.text)
            if letter:
                truth["text"] = letter[1]
                answer = Answer(text=letter[1], thought=answer.thought)
        exchange = self.exchange("qa", form, {"question": questions[0]}, answer, truth, rng)
        reader = {"format": "choice"} if self.parameters.verifier == "choice" else {}
        yield replace(exchange, system=exchange.system or system, parameters={**reader, **exchange.parameters})

    def _answer(self, gold: str, image: tuple[int, int]) -> Answer:
        read = self._text.decode(gold, image)
        text = read.text or gold.strip()
        boxed = self._boxed.decode(text, image)
        return Answer(text=boxed.text if boxed.status == "ok" else text, thought=read.thought)


def _turns(messages_json: str) -> tuple[str, list[tuple[str, str]]]:
    """The system prompt, and role and text of each turn, without places for images."""
    messages: Any = json.loads(messages_json or "[]")
    turns = []
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            role = message.get("role", message.get("from"))
            text = _text(message.get("content", message.get("value")))
            turns.append(({"human": "user", "gpt": "assistant"}.get(str(role), str(role)), text))
    system = next((text for role, text in turns if role == "system"), "")
    return system, turns


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    return _IMAGE.sub("", content).strip() if isinstance(content, str) else ""
