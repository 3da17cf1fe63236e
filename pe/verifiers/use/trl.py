"""One reward function for TRL's GRPOTrainer, routed by the sample's own fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pe.errors import InputError
from pe.verifiers import Question, Score
from pe.verifiers.use.missing import MAX_MISSING, WINDOW, Guard, score_or_missing

_COLUMNS = ("verifier", "reward_model", "width", "height")


class Observer(Protocol):
    """Is told of every score; a `pe.evaluation.monitors.Monitor`'s `add` is one."""

    def __call__(
        self,
        question: Question,
        data_source: str,
        responses: Sequence[str],
        scores: Sequence[Score],
        tokens: Sequence[int] | None = None,
    ) -> None: ...


class VerifierReward:
    """`GRPOTrainer(reward_funcs=VerifierReward())`: the one reward, its components logged by name.

    The data set keeps the shards' own columns: `verifier` {name, params_json}, `reward_model` {ground_truth,
    weights_json}, `width`, `height`, `input_width`, `input_height` (0: by the format's own rule) and `data_source`. A
    missing score is None, which TRL leaves out of the group and of the gradient as long as it is the only reward
    function: of several it would sum those that are left. Components and missing scores are logged as means over the
    responses of a step: `component/NAME`, `missing`.

    Progress is the trainer's step over its last step. Raises TooManyMissing when more than `max_missing` of the last
    `window` scores are missing.
    """

    __name__ = "verifier"

    def __init__(self, max_missing: float = MAX_MISSING, window: int = WINDOW, observe: Observer | None = None) -> None:
        self.guard = Guard(max_missing, window)
        self._observe = observe

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        trainer_state: Any = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """The score of each completion, a text or a conversation whose last message counts."""
        absent = [name for name in _COLUMNS if name not in columns]
        if absent:
            raise InputError(f"the data set has no column {', '.join(absent)}; keep those of the shards")
        progress = _progress(trainer_state)
        found = []
        for index, completion in enumerate(completions):
            row = {name: values[index] for name, values in columns.items() if _is_column(values, len(completions))}
            question, response = question_of(row), text_of(completion)
            tokens = None if completion_ids is None else len(completion_ids[index])
            result = score_or_missing(question, response, progress, tokens)
            found.append(result)
            if self._observe is not None:
                source = str(row.get("data_source", ""))
                self._observe(question, source, [response], [result], None if tokens is None else [tokens])
        if log_metric is not None:
            _log(found, log_metric)
        if log_extra is not None:
            log_extra("state", [result.state for result in found])
            log_extra("missing_reason", [result.reason for result in found])
        for result in found:
            self.guard.watch(result)
        return [result.score for result in found]


def question_of(row: Mapping[str, Any]) -> Question:
    """The question that a row asks whose keys are those of a shard's record."""
    seen = (int(row.get("input_width") or 0), int(row.get("input_height") or 0))
    return Question(
        row["verifier"]["name"],
        row["reward_model"]["ground_truth"],
        (int(row["width"]), int(row["height"])),
        row["verifier"].get("params_json") or "{}",
        row["reward_model"].get("weights_json") or "{}",
        seen if min(seen) > 0 else None,
    )


def text_of(completion: Any) -> str:
    """The text of a completion: itself, or its last message, whose content is a text or parts."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or () if part.get("type", "text") == "text")


def _is_column(values: Any, count: int) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and len(values) == count


def _progress(state: Any) -> float:
    steps = getattr(state, "max_steps", 0) or 0
    return min(1.0, max(0.0, state.global_step / steps)) if steps > 0 else 1.0


def _log(found: Sequence[Score], log_metric: Callable[[str, float], None]) -> None:
    # TRL takes the mean over calls and processes, so that one call a response makes it the mean over responses.
    for result in found:
        log_metric("missing", float(result.score is None))
        for name, value in result.components.items():
            if value is not None:
                log_metric(f"component/{name}", value)
