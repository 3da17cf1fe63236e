"""Answers, scores, difficulty, and the rows that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe.engines.produce import Reporter, produce
from pe.engines.settings import config_hash
from pe.engines.signals import Signals
from pe.engines.worker import Job
from pe.errors import InputError, Interrupted
from pe.evaluation.generation import generate, is_first
from pe.evaluation.generation.about import read_about
from pe.evaluation.mining.difficulty import Difficulty, difficulty, line_of
from pe.evaluation.mining.rows import MinedEngine, MinedSource
from pe.evaluation.mining.scores import Lines, question_of, reward_of, rows_of, score_answers
from pe.evaluation.mining.settings import MineSettings
from pe.evaluation.mining.table import MineSummary, Tally
from pe.schemas.sample import Sample
from pe.shards.output import Output, disk_errors, temp_path
from pe.shards.read import read_records, shards_of
from pe.verifiers import panel


def mine(settings: MineSettings, report: Reporter) -> MineSummary | None:
    """Measure how hard the rl rows of `settings.on` are for a model, and write those that its rules keep to OUT.

    OUT is an output folder of rl rows again, under their own keys, with what was measured in each one's provenance;
    OUT/difficulty.jsonl has a line for every row: {"key", "pass_rate", "mean", "best", "greedy"}, null and a `reason`
    where nothing is known. The answers and their scores are kept: killed at any moment and called again, it goes on and
    asks nothing twice. None in the processes of a torchrun that are not the first.

    Raises InputError for what are no rl rows, Interrupted after SIGINT or SIGTERM, TryLater when a server is down.
    """
    tars = shards_of(settings.on)
    _require_rl(tars, settings)
    output = Output(settings.out).create()
    folder = settings.answers or output.cache_dir
    asked = [(folder / "sampled.jsonl", settings.sampled())]
    if settings.greedy:
        asked.append((folder / "greedy.jsonl", settings.greedily()))
    for path, how in asked:
        generate(settings.model, settings.on, path, how, report)
    if not is_first():
        return None
    with Signals() as signals:
        scored = [
            score_answers(path, how.samples, tars, settings, output.cache_dir, signals.stop) for path, how in asked
        ]
        measured = _Measured(tars, scored, settings)
        tallies: dict[str, Tally] = {}
        path = settings.out / "difficulty.jsonl"
        with disk_errors(path), temp_path(path).open("wb") as stream:
            for sample, row in measured.rows():
                if signals.stop():
                    raise Interrupted(signals.received)
                tallies.setdefault(sample.data_source, Tally()).add(row, row.reason or settings.keep.why_not(row))
                stream.write(line_of(row))
        with disk_errors(path):
            temp_path(path).replace(path)
        model = read_about(asked[0][0])["model"]
        config = settings.rows_config(model)
        job = Job(
            _Written(tars, _said(settings, model)),
            config,
            config_hash(config),
            _engine,
            settings.out,
            1,
            settings.shard_inputs,
            settings.shard_mb * 2**20,
        )
        run = produce(job, MinedSource(tars, measured.verdicts), report, signals)
    return MineSummary(settings.samples, tallies, run)


@dataclass(frozen=True)
class _Written:
    """What the writing process needs."""

    tars: Sequence[Path]
    about: dict[str, Any]


def _engine(job: Job, output: Output, worker: int) -> MinedEngine:
    return MinedEngine(job.settings.tars, job.settings.about)


class _Measured:
    """The rows with their difficulty, computed from the scores each time they are asked for."""

    def __init__(self, tars: Sequence[Path], scored: Sequence[Path], settings: MineSettings) -> None:
        self._tars = tars
        self._settings = settings
        self._lines = [Lines(path, count) for path, count in zip(scored, (settings.samples, 1), strict=False)]

    def rows(self) -> Iterator[tuple[Sample, Difficulty]]:
        """Each row with what is known of it."""
        settings = self._settings
        for sample in rows_of(self._tars):
            found = [lines.of(sample.key) for lines in self._lines]
            rewards = [[reward_of(line, settings.component) for line in lines] for lines in found]
            problem = next((line["reason"] for lines in found for line in lines if line["reason"]), "")
            sampled, greedy = rewards[0], [value for more in rewards[1:] for value in more]
            yield sample, difficulty(sample.key, sampled, greedy, settings.pass_at, problem)

    def verdicts(self) -> Iterator[dict[str, Any]]:
        """What becomes of each row."""
        for _, row in self.rows():
            why_not = "" if row.reason else self._settings.keep.why_not(row)
            status = "quarantined" if row.reason else "filtered" if why_not else "written"
            measured = {name: value for name, value in row.as_dict().items() if name != "key"}
            yield {"status": status, "reason": row.reason or why_not, "detail": row.detail, "measured": measured}


def _said(settings: MineSettings, model: dict[str, str]) -> dict[str, Any]:
    """What a kept row's provenance says of how it was measured."""
    named = {name: value for name, value in model.items() if value}
    component = {"component": settings.component} if settings.component else {}
    return {
        **named,
        "samples": settings.samples,
        "temperature": settings.heat,
        "pass_at": settings.pass_at,
        **component,
    }


def _require_rl(tars: Sequence[Path], settings: MineSettings) -> None:
    """Raise InputError where the first row of a shard is none of rl, or cannot be scored as the settings say."""
    for tar in tars:
        for sample, _ in read_records(tar):
            if sample.kind != "rl":
                raise InputError(f"{tar}: holds {sample.kind} samples; only rl rows (`pe build-rl`) say what is right")
            question = question_of(sample, settings)
            try:
                known = panel(question.verifier, question.params_json).components
            except InputError as error:
                raise InputError(f"{tar}: {sample.key} cannot be scored: {error}") from None
            if settings.component and settings.component not in known:
                raise InputError(
                    f"{tar}: the score of {sample.key} has no component {settings.component!r} (it has "
                    f"{', '.join(known)})"
                )
            break
