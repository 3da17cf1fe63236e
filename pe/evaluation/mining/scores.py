"""The answers' scores by the rows' own verifiers, each made once."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pe.errors import InputError, Interrupted
from pe.evaluation.generation.about import read_about
from pe.evaluation.generation.log import Log, read_at, read_log
from pe.evaluation.mining.settings import MineSettings
from pe.schemas.sample import Sample, dumps
from pe.shards.read import read_records
from pe.verifiers import Question
from pe.verifiers.use.missing import score_or_missing

Line = dict[str, Any]


class Lines:
    """The lines of a log by row: where each is, is kept in memory, not what it says."""

    def __init__(self, path: Path, samples: int) -> None:
        self._path = path
        self._at: dict[str, array[int]] = {}
        for offset, row in read_log(path):
            if row["sample"] < samples:
                self._at.setdefault(row["key"], array("q", [-1]) * samples)[row["sample"]] = offset

    def of(self, key: str) -> list[Line]:
        """The lines of row `key` in the order of its samples; all of them, or InputError."""
        offsets = self._at.get(key, array("q", [-1]))
        if min(offsets) < 0:
            raise InputError(f"{self._path}: not every answer to {key} is there; run the same command again")
        return list(read_at(self._path, offsets))


def score_answers(
    answers: Path,
    samples: int,
    tars: Sequence[Path],
    settings: MineSettings,
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Score what is not scored yet of `answers`; returns the file of scores, one for every way of scoring.

    A line a score: {"key", "sample", "score", "components", "state", "reason"}; `score` is null where it is missing,
    and `reason` says why. Raises Interrupted when `stop()` turns true.
    """
    about = read_about(answers)
    made = dumps([about.get("model"), about.get("settings"), settings.scores_config()])
    log = Log(folder / f"{answers.stem}.scores-{hashlib.sha256(made.encode()).hexdigest()[:8]}.jsonl")
    asked = Lines(answers, samples)
    for sample in rows_of(tars):
        if stop():
            raise Interrupted
        if not all(log.has(sample.key, number) for number in range(samples)):
            log.append(_score(sample, line, settings) for line in asked.of(sample.key))
    return log.path


def rows_of(tars: Sequence[Path]) -> Iterator[Sample]:
    """The rl rows of `tars` in order. Raises InputError for a sample of another kind."""
    for tar in tars:
        for sample, _ in read_records(tar):
            if sample.kind != "rl":
                raise InputError(f"{tar}: holds {sample.kind} samples; only rl rows (`pe build-rl`) say what is right")
            yield sample


def reward_of(line: Line, component: str) -> float | None:
    """The reward that a line of scores stands for; None where it is missing.

    Raises InputError when its verifier has no such component.
    """
    if not component or line["score"] is None:
        return None if line["score"] is None else float(line["score"])
    if component not in line["components"]:
        known = ", ".join(line["components"])
        raise InputError(f"{line['key']}: its score has no component {component!r} (it has {known})")
    return float(line["components"][component])


def question_of(sample: Sample, settings: MineSettings) -> Question:
    """How answers to `sample` are scored, with the settings' parameters over the verifier's own."""
    question = Question.of(sample)
    if not settings.params:
        return question
    return replace(question, params_json=dumps({**json.loads(question.params_json), **settings.params}))


def _score(sample: Sample, line: Line, settings: MineSettings) -> Line:
    row = {"key": line["key"], "sample": line["sample"]}
    if "error" in line:
        return {**row, "score": None, "components": {}, "state": "", "reason": f"no_answer: {line['error']}"}
    found = score_or_missing(question_of(sample, settings), line["response"], settings.progress, line.get("tokens"))
    reason = "" if found.score is not None else f"score_missing: {found.reason}"
    return {
        **row,
        "score": found.score,
        "components": dict(found.components),
        "state": found.state,
        "reason": reason,
    }
