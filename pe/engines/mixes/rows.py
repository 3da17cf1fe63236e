"""From a question with its answer to the record of a row, proved before it is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import RowFilter
from pe.engines.mixes.tokens import TokenCounter
from pe.engines.tasks import Exchange
from pe.errors import InputError
from pe.formats import Answer, Decoded, Format, Item
from pe.schemas.sample import RewardModel, Sample, Verifier, dumps
from pe.verifiers import Question, TruthError, score, stages

IMAGE_MARK = "<image>"
_MARKS = (IMAGE_MARK, "<video>", "<audio>")


class Dropped(Exception):
    """This row does not go into the mix; the message is the reason, a fixed word."""


@dataclass
class Row:
    """A candidate with all that its record needs."""

    candidate: Candidate
    form: Format
    format_name: str
    seen: tuple[int, int]
    truth: str = ""
    params: str = ""
    weights: str = ""
    ceilings: list[tuple[float, float]] = field(default_factory=list)

    @cached_property
    def question(self) -> Question:
        """How a response to this row is scored."""
        sample = self.candidate.sample
        name = self.candidate.exchange.verifier
        return Question(name, self.truth, (sample.width, sample.height), self.params, self.weights, self.seen)


class RowMaker:
    """Makes the rows of one leaf: encodes, counts and filters."""

    def __init__(self, form: Format, format_name: str, filters: dict[str, RowFilter], tokens: TokenCounter) -> None:
        self._form = form
        self._format_name = format_name
        self._filters = filters
        self._tokens = tokens
        # A format in pixels of what the model sees goes by the model's own processor, where one is named.
        own = tokens.patches is not None and type(form).input_size is not Format.input_size
        self._size = tokens.patches.size if tokens.patches is not None and own else form.input_size

    def make(self, sample: Sample, exchange: Exchange) -> Row:
        """The row of one question. Raises Dropped."""
        image = (sample.width, sample.height)
        try:
            seen = self._size(image)
        except InputError:
            raise Dropped("not_seen") from None
        if any(mark in text for mark in _MARKS for text in (exchange.question, exchange.system)):
            raise Dropped("media_mark")
        try:
            gold = self._form.encode(exchange.answer, image, seen)
        except InputError:
            raise Dropped("not_writable") from None
        texts = [exchange.system, exchange.question, exchange.wording.replace("{answer}", gold)]
        try:
            tokens = self._tokens.count(texts, image)
        except InputError:
            raise Dropped("not_seen") from None
        candidate = Candidate(sample, exchange, gold, tokens)
        for name, keep in self._filters.items():
            if not keep.keeps(candidate):
                raise Dropped(name)
        params = {"format": self._format_name, **exchange.parameters}
        row = Row(candidate, self._form, self._format_name, seen)
        row.truth, row.params, row.weights = dumps(exchange.truth), dumps(params), dumps(exchange.weights)
        return row


def prove_text(row: Row) -> None:
    """Raise Dropped unless the gold text is read back as the answer, within half a step of its format."""
    candidate = row.candidate
    image = candidate.size
    answer = candidate.exchange.answer
    asked = _asked(answer)
    read = row.form.decode(candidate.gold, image, row.seen, asked)
    if read.status not in ("ok", "none-present") or not _same(answer, read, row.form, row.form.step(image, row.seen)):
        raise Dropped("not_read_back")


def prove_reward(row: Row, others: Sequence[str], floor: float) -> None:
    """Fill in the ceilings of `row`, or raise Dropped.

    The gold text scores at least `floor` at the last stage, an empty response and the gold texts of `others` (with
    another truth) less than that, and an empty response earns no accuracy at all.
    """
    question, gold = row.question, row.candidate.gold
    if not question.verifier:
        raise InputError(
            f"a row about {row.candidate.exchange.ability} has no verifier: name one in the task's parameters "
            "(verifier: fuzzy-text), or take the task out of this mix"
        )
    try:
        progress = stages(question)
        for stage in progress:
            found = score(question, [gold], stage)[0]
            if found.score is None:
                raise Dropped("score_missing")
            row.ceilings.append((stage, round(found.score, 6)))
        if row.ceilings[-1][1] < floor:
            raise Dropped("not_representable")
        empty, *rest = score(question, ["", *others], progress[-1])
    except TruthError as error:
        raise Dropped("truth_of_no_use") from error
    ceiling = row.ceilings[-1][1]
    accuracy = empty.components.get("accuracy")
    if empty.score is None or empty.score >= ceiling or (accuracy or 0.0) > 0.0:
        raise Dropped("empty_answer_scores")
    if any(other.score is not None and other.score >= ceiling for other in rest):
        raise Dropped("other_answer_scores")


def record(row: Row, kind: Literal["sft", "rl"], data_source: str) -> Sample:
    """The record of `row`; its key comes when it is written."""
    candidate, exchange, sample = row.candidate, row.candidate.exchange, row.candidate.sample
    messages = [{"role": "user", "content": IMAGE_MARK + exchange.question}]
    if exchange.system:
        messages.insert(0, {"role": "system", "content": exchange.system})
    if kind == "sft":
        messages.append({"role": "assistant", "content": exchange.wording.replace("{answer}", candidate.gold)})
    return sample.model_copy(
        update={
            "key": "",
            "kind": kind,
            "data_source": data_source,
            "ability": exchange.ability,
            "caption": "",
            "objects_json": "[]",
            "negatives_json": "[]",
            "messages_json": dumps(messages),
            "gold_text": candidate.gold,
            "input_width": row.seen[0],
            "input_height": row.seen[1],
            "token_count": candidate.tokens,
            "ceilings_json": dumps([list(pair) for pair in row.ceilings]),
            "reward_model": RewardModel(style="rule", ground_truth=row.truth, weights_json=row.weights),
            "verifier": Verifier(name=exchange.verifier, params_json=row.params),
            "provenance_json": dumps(_provenance(sample)),
        }
    )


def _provenance(sample: Sample) -> dict[str, Any]:
    """Where a row is from, and which models labelled it."""
    labelled = json.loads(sample.provenance_json)
    models = {name: labelled[name] for name in ("detector", "segmenter", "captioner") if name in labelled}
    return {"sample": sample.key, "data_source": sample.data_source, **models}


def _asked(answer: Answer) -> str:
    phrases = dict.fromkeys([*(item.phrase for item in answer.objects), *answer.absent])
    return next(iter(phrases)) if len(phrases) == 1 else ""


def _same(answer: Answer, read: Decoded, form: Format, step: tuple[float, float]) -> bool:
    if not answer.objects:
        return not read.objects and (bool(read.text) == bool(answer.text) or "text" not in form.writes)
    if len(answer.objects) != len(read.objects):
        return False
    # A format may write objects in an order of its own.
    left = list(read.objects)
    for item in answer.objects:
        near = next((other for other in left if _near(item, other, form.named, step)), None)
        if near is None:
            return False
        left.remove(near)
    return True


def _near(item: Item, other: Item, named: bool, step: tuple[float, float]) -> bool:
    if item.shape != other.shape or (named and item.phrase != other.phrase):
        return False
    one, two = item.numbers(), other.numbers()
    # A patch format may be off by a whole step, and a step has a last bit of its own.
    limits = (step[0] * 1.01 + 1e-6, step[1] * 1.01 + 1e-6)
    return len(one) == len(two) and all(
        abs(a - b) <= limits[index % 2] for index, (a, b) in enumerate(zip(one, two, strict=True))
    )
