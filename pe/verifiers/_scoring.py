"""Scores by the sample's own fields: which verifier, with which parameters, against which truth, with which weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from pe.errors import InputError
from pe.formats import Decoded, Format, Size
from pe.registry import load
from pe.schemas.sample import Sample
from pe.verifiers._base import Call, Missing, Verifier
from pe.verifiers._truth import Target, Truth, TruthError, read_truth


@dataclass(frozen=True)
class Score:
    """What a response earned: sum(weight * component) / sum(weight), or None and the `reason` why it is missing.

    `components` are all that the sample's verifiers return, None where missing. `state` is how the response was read
    (see `Decoded.status`). `metrics` are figures beside the score.
    """

    score: float | None
    components: Mapping[str, float | None]
    state: str
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """All that a sample says of how a response to it is scored; JSON as it stands in the record."""

    verifier: str
    ground_truth: str
    image: Size
    params_json: str = "{}"
    weights_json: str = "{}"
    input_size: Size | None = None

    @staticmethod
    def of(sample: Sample) -> Question:
        """The question that `sample` asks."""
        seen = (sample.input_width, sample.input_height)
        return Question(
            sample.verifier.name,
            sample.reward_model.ground_truth,
            (sample.width, sample.height),
            sample.verifier.params_json,
            sample.reward_model.weights_json,
            seen if min(seen) > 0 else None,
        )


@dataclass(frozen=True)
class Panel:
    """A verifier and those that its parameters name beside it, the `formats` each reads, and all their components."""

    verifiers: tuple[Verifier, ...]
    formats: tuple[str, ...]
    components: tuple[str, ...]

    def stages(self) -> tuple[float, ...]:
        """The progress at which each stage of the verifiers' schedules is in force."""
        return tuple(sorted({stage for verifier in self.verifiers for stage in verifier.stages()}))


@lru_cache(maxsize=256)
def panel(verifier: str, params_json: str = "{}") -> Panel:
    """The verifiers that a name and its parameters stand for. Raises InputError for what is unknown in either."""
    main = _make(verifier, _table(params_json, f"the parameters of {verifier}"))
    verifiers, formats = [main], [main.parameters.format]
    for name, parameters in main.parameters.also.items():
        extra = _make(name, {"also": {}, **parameters})
        if extra.parameters.also:
            raise InputError(
                f"{verifier}: also: {name}: a verifier that stands beside another has no `also` of its own"
            )
        verifiers.append(extra)
        formats.append(extra.parameters.format if "format" in parameters else main.parameters.format)
    components = [name for item in verifiers for name in item.components]
    if len(set(components)) < len(components):
        twice = sorted({name for name in components if components.count(name) > 1})
        raise InputError(f"{verifier}: several of its verifiers return {', '.join(twice)}")
    for name in formats:
        _format(name)
    return Panel(tuple(verifiers), tuple(formats), tuple(components))


def check(question: Question) -> None:
    """Raise InputError where `question` cannot be scored: unknown names, parameters or weights, a truth of no use."""
    _prepare(question)


def stages(question: Question) -> tuple[float, ...]:
    """The progress at which each stage of the question's schedules is in force, rising; (1.0,) without a schedule."""
    return panel(question.verifier, question.params_json).stages()


def score(
    question: Question,
    responses: Sequence[str],
    progress: float = 1.0,
    tokens: Sequence[int] | None = None,
) -> list[Score]:
    """The score of each of `responses` to one question; the truth is prepared once.

    `progress` (0..1) is how much of the training is done; `tokens` are the responses' lengths. A verifier that fails
    makes the score missing, with the reason. Raises InputError where the question itself cannot be scored.
    """
    ready = _prepare(question)
    lengths: Sequence[int | None] = tokens or [None] * len(responses)
    return [
        _score(ready, Call(text, question.image, question.input_size, progress, length))
        for text, length in zip(responses, lengths, strict=True)
    ]


def read_answers(question: Question, responses: Sequence[str]) -> tuple[Truth, list[Decoded]]:
    """The truth of `question` with its objects, and each of `responses` as the question's first verifier reads it.

    Raises InputError where the question itself cannot be scored.
    """
    verifiers = panel(question.verifier, question.params_json)
    main, form = verifiers.verifiers[0], verifiers.formats[0]
    truth = read_truth(question.ground_truth)
    needed = _as_needed(truth, main, form, Call("", question.image, question.input_size))
    decode, asked = _format(form).decode, _asked(truth)
    return needed, [decode(text, question.image, question.input_size, asked) for text in responses]


@dataclass(frozen=True)
class _Ready:
    panel: Panel
    truths: tuple[Any, ...]
    weights: Mapping[str, float]
    asked: str


@lru_cache(maxsize=128)
def _prepare(question: Question) -> _Ready:
    verifiers = panel(question.verifier, question.params_json)
    weights = _weights(question, verifiers.components)
    truth = read_truth(question.ground_truth)
    call = Call("", question.image, question.input_size)
    truths = []
    for verifier, form in zip(verifiers.verifiers, verifiers.formats, strict=True):
        try:
            truths.append(verifier.prepare(_as_needed(truth, verifier, form, call), call))
        except ValueError as error:
            raise TruthError(f"{question.verifier}: the ground truth cannot be used: {error}") from None
    return _Ready(verifiers, tuple(truths), weights, _asked(truth))


def _as_needed(truth: Truth, verifier: Verifier, form: str, call: Call) -> Truth:
    """A truth that came as text, as the objects in it for a verifier that compares objects."""
    if not truth.written:
        return truth
    if not verifier.shapes:
        return truth.model_copy(update={"text": truth.written})
    gold = _format(form).decode(truth.written, call.image, call.input_size)
    if gold.status == "unparsable" and not type(verifier).__module__.endswith("_compat"):
        raise ValueError(f"its text holds no answer in the format {form}: {truth.written[:80]!r}")
    targets = tuple(
        Target(phrase=item.phrase, bbox=item.bbox, point=item.point, rings=item.rings, keypoints=item.keypoints)
        for item in gold.objects
    )
    return truth.model_copy(update={"objects": targets, "negatives": gold.absent})


def _asked(truth: Truth) -> str:
    """The phrase that is asked for if it is one, or the question with its options."""
    if truth.options:
        return "\n".join([truth.question, *(f"{letter}. {words}" for letter, words in truth.options.items())])
    phrases = truth.phrases
    return phrases[0] if len(phrases) == 1 else ""


def _score(ready: _Ready, call: Call) -> Score:
    read: dict[str, Decoded] = {}
    components: dict[str, float | None] = {}
    metrics: dict[str, float] = {}
    reasons: list[str] = []
    for verifier, form, truth in zip(ready.panel.verifiers, ready.panel.formats, ready.truths, strict=True):
        if form not in read:
            read[form] = _format(form).decode(call.response, call.image, call.input_size, ready.asked)
        try:
            found = verifier.judge(read[form], truth, call)
            for name in verifier.components:
                if not math.isfinite(found[name]):
                    raise Missing(f"{name} is not a finite number")
            components.update((name, float(found[name])) for name in verifier.components)
            metrics.update((name, float(value)) for name, value in found.items() if name not in verifier.components)
        except Missing as missing:
            components.update(dict.fromkeys(verifier.components))
            reasons.append(str(missing))
        except Exception as error:  # a fault of the verifier is no zero of the model's
            components.update(dict.fromkeys(verifier.components))
            reasons.append(f"{type(error).__name__} in {type(verifier).__module__.rpartition('.')[2]}: {error}"[:200])
    state = read[ready.panel.formats[0]].status
    if reasons:
        return Score(None, components, state, "; ".join(reasons), metrics)
    total = sum(ready.weights.values())
    value = sum(weight * (components[name] or 0.0) for name, weight in ready.weights.items()) / total
    return Score(value, components, state, "", metrics)


@lru_cache(maxsize=64)
def _format(name: str) -> Format:
    found: Format = load("formats", name)()
    return found


def _make(name: str, parameters: dict[str, Any]) -> Verifier:
    kind: type[Verifier] = load("verifiers", name)
    try:
        checked = kind.Parameters.model_validate(parameters)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or name}: {item['msg']}" for item in error.errors()]
        known = ", ".join(kind.Parameters.model_fields)
        raise InputError(f"verifier {name}: {'; '.join(problems)} (it takes {known})") from None
    return kind(checked)


def _table(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{what} are not a JSON object: {text[:80]!r}")
    return value


def _weights(question: Question, components: tuple[str, ...]) -> dict[str, float]:
    weights = _table(question.weights_json, f"the weights of {question.verifier}") or {components[0]: 1.0}
    for name, weight in weights.items():
        if name not in components:
            raise InputError(
                f"{question.verifier} has no component {name!r} to weigh (it returns {', '.join(components)})"
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise InputError(f"{question.verifier}: the weight of {name} is {weight!r}, not a number from 0 on")
    if not sum(weights.values()):
        raise InputError(f"{question.verifier}: all weights are 0")
    return weights
