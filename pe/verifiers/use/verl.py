"""A reward function for verl (`custom_reward_function.path`), which takes no missing score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pe.schemas.sample import Sample
from pe.verifiers import Question
from pe.verifiers.use.missing import MAX_MISSING, Guard, score_or_missing


def extra_info(sample: Sample) -> dict[str, Any]:
    """What `compute_score` needs of a sample beside its ground truth, for verl's `extra_info` column."""
    return {
        "verifier": sample.verifier.name,
        "params_json": sample.verifier.params_json,
        "weights_json": sample.reward_model.weights_json,
        "width": sample.width,
        "height": sample.height,
        "input_width": sample.input_width,
        "input_height": sample.input_height,
    }


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    components: Sequence[str] = ("accuracy", "format"),
    max_missing: float = MAX_MISSING,
    **unused: Any,
) -> dict[str, float]:
    """The score of one response, its `components`, and `reward_error`: 1 where the score is missing, and 0.0 only then.

    `extra_info` is what the function of that name returns; `progress` (0..1), where it has any, is how much of the
    training is done, 1 if absent, as verl does not tell. verl wants the same keys of every sample of a batch, so
    `components` are all that is returned: NaN for one that this sample's verifier does not have. They and `max_missing`
    can be set by verl's `custom_reward_function.reward_kwargs`.

    Raises TooManyMissing when more than `max_missing` of this process's last 500 scores are missing.
    """
    info = extra_info or {}
    seen = (int(info.get("input_width") or 0), int(info.get("input_height") or 0))
    try:
        question = Question(
            info["verifier"],
            ground_truth,
            (int(info["width"]), int(info["height"])),
            info.get("params_json") or "{}",
            info.get("weights_json") or "{}",
            seen if min(seen) > 0 else None,
        )
    except KeyError as error:
        raise ValueError(f"extra_info of {data_source} has no {error}: see pe.verifiers.use.verl.extra_info") from None
    found = score_or_missing(question, solution_str, float(info.get("progress", 1.0)), None)
    _guard(max_missing).watch(found)
    missing = found.score is None
    instead = 0.0 if missing else math.nan
    row = {"score": found.score or 0.0}
    for name in components:
        value = found.components.get(name)
        row[name] = instead if value is None else value
    return row | {"reward_error": float(missing)}


@lru_cache(maxsize=8)
def _guard(limit: float) -> Guard:
    return Guard(limit)
