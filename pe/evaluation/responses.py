"""A model's responses scored by the fields of the samples they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.evaluation.by_key import SamplesByKey
from pe.evaluation.lines import Line, opened, read_line, written
from pe.evaluation.monitors import Monitor, json_lines
from pe.schemas.sample import Sample
from pe.verifiers import Question, Score
from pe.verifiers.use.missing import score_or_missing

_EXAMPLES = 3


@dataclass
class Report:
    """What became of the responses: `scored` + `missing` are those to samples of the shards.

    `bad_lines` could not be read, `unknown_keys` name no sample (`unknown` are the first of them), `unanswered` samples
    have no response. `reasons` are the first ones for missing scores; a line that says why there is no response
    (`error`) is one of those. `monitor` has the figures by data source.
    """

    responses: int = 0
    scored: int = 0
    missing: int = 0
    bad_lines: int = 0
    unknown_keys: int = 0
    unknown: list[str] = field(default_factory=list)
    samples: int = 0
    unanswered: int = 0
    reasons: list[str] = field(default_factory=list)
    monitor: Monitor = field(default_factory=Monitor)

    @property
    def missing_share(self) -> float:
        """The share of missing scores among the responses to known samples."""
        return self.missing / max(1, self.scored + self.missing)

    def as_dict(self) -> dict[str, Any]:
        """All of it as one JSON object: the counts, the figures `by_source`, and of `all` sources together."""
        counts = {name: value for name, value in vars(self).items() if name != "monitor"}
        return counts | {"by_source": self.monitor.figures(), "all": self.monitor.total()}


def score_responses(
    responses: Path,
    shards: Path,
    out: Path | None = None,
    progress: float = 1.0,
    complain: Callable[[int, str], None] = lambda line, problem: None,
) -> Report:
    """Score `responses`, lines of {"key", "response", "tokens"?}, by the rl or annotated samples of `shards`.

    `shards` is an output folder or one shard's .tar. `out` gets a line a scored response and, beside it,
    `sources_path(out)` a line a data source, both whole or not at all. A line that cannot be read goes to `complain`
    with its number and is left out. Memory does not grow with the number of samples or responses.

    Raises InputError when nothing at all can be scored: no such file, other samples, no known key.
    """
    if out is not None and out.absolute() == responses.absolute():
        raise InputError(f"{out}: holds the responses; name another file for the scores")
    report = Report()
    with SamplesByKey(shards) as samples, written(out) as stream, opened(responses) as lines:
        report.samples = samples.count
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            report.responses += 1
            try:
                answer = read_line(line)
            except InputError as error:
                report.bad_lines += 1
                complain(number, str(error))
                continue
            sample = samples.find(answer.key)
            if sample is None:
                report.unknown_keys += 1
                report.unknown += [answer.key] if len(report.unknown) < _EXAMPLES else []
                continue
            score = _score(sample, answer, progress, report)
            if stream is not None:
                stream.write(_row(number, sample, score))
        report.unanswered = samples.unanswered()
        if not report.scored + report.missing:
            raise InputError(
                f"{responses}: none of its {report.responses:,} responses is to one of the {report.samples:,} samples "
                f"of {shards} ({report.unknown_keys:,} unknown keys, {report.bad_lines:,} lines that cannot be read)"
            )
    if out is not None:
        with written(sources_path(out)) as stream:
            if stream is not None:
                stream.writelines(json_lines(report.monitor))
    return report


def sources_path(out: Path) -> Path:
    """Where the figures by data source go: scores.sources.jsonl beside scores.jsonl."""
    return out.with_name(f"{out.stem}.sources{out.suffix}")


def _score(sample: Sample, line: Line, progress: float, report: Report) -> Score:
    if line.error:
        report.missing += 1
        report.reasons += [f"{sample.key}: {line.error}"] if len(report.reasons) < _EXAMPLES else []
        return Score(None, {}, "", line.error)
    question, tokens = Question.of(sample), line.tokens
    score = score_or_missing(question, line.response, progress, tokens)
    report.monitor.add(question, sample.data_source, [line.response], [score], None if tokens is None else [tokens])
    if score.score is None:
        report.missing += 1
        report.reasons += [f"{sample.key}: {score.reason}"] if len(report.reasons) < _EXAMPLES else []
    else:
        report.scored += 1
    return score


def _row(number: int, sample: Sample, score: Score) -> str:
    row = {
        "line": number,
        "key": sample.key,
        "data_source": sample.data_source,
        "score": score.score,
        "components": dict(score.components),
        "state": score.state,
        "reason": score.reason,
        "metrics": dict(score.metrics),
    }
    return json.dumps(row) + "\n"
