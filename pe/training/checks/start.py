"""What is checked of a stage before its first step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pe.errors import ModelError
from pe.evaluation.vlm import Vlm, check_seen
from pe.formats import Format
from pe.registry import load
from pe.schemas.sample import Sample
from pe.training.checks.batch import Input, read_batch, round_trip
from pe.training.checks.ceilings import check_ceilings
from pe.training.checks.drawing import Shown, save_first_batch
from pe.training.conversations import example_of
from pe.training.model import Start
from pe.training.order import order_of
from pe.training.rows import Rows
from pe.training.settings import GrpoStage, SftStage, TrainSettings
from pe.training.vocabulary import check_coordinates
from pe.verifiers import Question, read_truth, score

SAMPLED = 256
"""Rows over the whole set whose ceilings are computed again."""

SHOWN = 4
"""Rows of the first batch that are drawn."""


@dataclass(frozen=True)
class StartReport:
    """What was found: `moves` are the progresses (0..1) at which a reward's schedule goes on, `page` shows the batch.

    `rows`, `sampled` and `ceilings` are numbers of rows: all, those looked at, and those of them with a ceiling.
    `tokens` are those of a prompt (of an sft row with its answer) in the first batch.
    """

    rows: int
    sampled: int
    ceilings: int
    moves: tuple[float, ...]
    tokens: tuple[int, ...]
    page: Path
    notes: list[str] = field(default_factory=list)


def check_start(settings: TrainSettings, stage: SftStage | GrpoStage, vlm: Start | Vlm, rows: Rows) -> StartReport:
    """Look at a sample of `rows` and at the first batch, and draw it to OUT/STAGE/first_batch/.

    Raises InputError, with the row's key, where a ceiling is not what it was built with, where the processor makes
    another size of a picture than the row was written for, where the picture is missing from the prompt or where the
    loss is not the answer's alone; ModelError where a coordinate is not one token that comes back as text, and where a
    gold text that went through the tokenizer scores otherwise.
    """
    samples = _spread(rows)
    for sample in samples:
        check_seen(vlm.processor, sample)
    checked, moves = check_ceilings(samples)
    notes = _vocabularies(settings, samples, vlm.processor.tokenizer)
    if isinstance(stage, GrpoStage):
        _check_round_trip(samples, vlm.processor.tokenizer)
        notes += _presence(samples)
        if checked < len(samples):
            notes.append(f"{len(samples) - checked:,} of {len(samples):,} rows have no ceiling to compare with")

    order = order_of(rows.keys(), stage, settings.seed)
    first = [rows.read(order.row(place)) for place in range(min(order.count, SHOWN))]
    examples = [example_of(sample, picture, stage, vlm.processor, settings.seed) for sample, picture in first]
    inputs = read_batch(examples, [sample for sample, _ in first], stage, vlm.processor, picture_ids(vlm))
    folder = settings.out / (stage.name or stage.kind) / "first_batch"
    page = save_first_batch(
        folder,
        [
            _shown(sample, example["images"][0], found)
            for (sample, _), example, found in zip(first, examples, inputs, strict=True)
        ],
    )
    return StartReport(
        rows=len(rows),
        sampled=len(samples),
        ceilings=checked,
        moves=tuple(sorted(moves)),
        tokens=tuple(found.tokens for found in inputs),
        page=page,
        notes=notes,
    )


def picture_ids(vlm: Start | Vlm) -> set[int]:
    """The ids of the tokens that stand for a picture in a prompt; empty where the model does not tell."""
    config = vlm.model.config
    names = ("image_token_id", "image_token_index")
    return {int(value) for name in names if isinstance(value := getattr(config, name, None), int)}


def format_of(sample: Sample) -> str:
    """The answer format that a row names; "" for one that names none or leaves it to be guessed."""
    name = json.loads(sample.verifier.params_json).get("format", "")
    return "" if name == "auto" else str(name)


def _spread(rows: Rows) -> list[Sample]:
    count = min(len(rows), SAMPLED)
    return [rows.read(place * len(rows) // count)[0] for place in range(count)]


def _vocabularies(settings: TrainSettings, samples: Sequence[Sample], tokenizer: Any) -> list[str]:
    """Raises ModelError for the run's own format; a row's other format without its tokens is a note."""
    notes = []
    if settings.format:
        check_coordinates(tokenizer, settings.format)
    for name in sorted({format_of(sample) for sample in samples} - {settings.format, ""}):
        form: type[Format] = load("formats", name)
        token = form.vocabulary.tokens()[-1] if form.vocabulary else ""
        pieces = len(tokenizer.encode(token, add_special_tokens=False)) if token else 1
        if pieces > 1:
            notes.append(
                f"rows are written in {name}, whose coordinates ({token}) are {pieces} tokens each for this model; "
                f"format: {name} gives it one token each"
            )
    return notes


def _presence(samples: Sequence[Sample]) -> list[str]:
    truths = [read_truth(sample.reward_model.ground_truth) for sample in samples]
    if any(truth.objects for truth in truths) and not any(truth.negatives for truth in truths):
        return ["no row asks for what is not there: RL on positives alone teaches a model to find everything"]
    return []


def _check_round_trip(samples: Sequence[Sample], tokenizer: Any) -> None:
    """One row a data source: what comes back of its gold text as tokens has to score as the gold text does."""
    for sample in {sample.data_source: sample for sample in samples if sample.gold_text}.values():
        text = round_trip(tokenizer, sample.gold_text)
        if text == sample.gold_text:
            continue
        question = Question.of(sample)
        gold, found = score(question, [sample.gold_text, text])
        if gold.score is not None and found.score != gold.score:
            raise ModelError(
                f"{sample.key} ({sample.data_source}): its gold text {sample.gold_text[:80]!r} scores {gold.score:.3f} "
                f"and comes out of the tokenizer as {text[:80]!r}, which scores {found.score}: this model's tokenizer "
                "does not go with the format"
            )


def _shown(sample: Sample, picture: Any, found: Input) -> Shown:
    image = (sample.width, sample.height)
    seen = (sample.input_width, sample.input_height)
    phrases = read_truth(sample.reward_model.ground_truth).phrases
    form: Format = load("formats", format_of(sample) or "auto")()
    answer = form.decode(found.answer, image, seen if min(seen) > 0 else None, phrases[0] if len(phrases) == 1 else "")
    note = f"{sample.data_source}: {found.tokens:,} tokens, {found.picture_tokens:,} of them the picture's; "
    note += f"the answer reads as {len(answer.objects):,} objects ({answer.status})"
    return Shown(sample.key, picture, answer.objects, found.text, found.answer, note)
