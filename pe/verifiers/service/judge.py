"""V-Triune's reward server (MiniMax-AI/One-RL-to-See-Them-All, reward_server): its POST /judge, on `pe`'s verifiers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pe.errors import InputError
from pe.verifiers import Question, Score
from pe.verifiers.service.settings import JudgeIou
from pe.verifiers.service.wire import RefusedError, Rollouts, check_size, one_line, read_table

_TEXTS = ("response", "prompt", "answer", "solution", "data_source", "reward_verifier", "reward_verifier_parm")


def read_judge(body: bytes, iou: JudgeIou) -> Rollouts:
    """The one response of a POST /judge. Raises RefusedError for what its sender would have to mend.

    `image_grid_thw` is (t, height, width) in pixels of what the model saw: the trainer has multiplied it by 14.
    """
    payload = read_table(body)
    try:
        return _read(payload, iou)
    except InputError as error:
        raise RefusedError(422, one_line(error)) from None


def write_rewards(score: Score) -> bytes:
    """The rewards of one response, as JSON on one line.

    The trainer cannot take a missing score: it is 0 with `reward_error` 1, and a `reason` beside the rewards.
    """
    scored = score.score is not None
    components: Mapping[str, float | None] = score.components if scored else {}
    rewards = {
        "format_reward": components.get("format") or 0.0,
        "accuracy_reward": components.get("accuracy") or 0.0,
        "reflection_reward": 0.0,
        "final_reward": score.score or 0.0,
        "reward_error": 0.0 if scored else 1.0,
    }
    rewards |= {f"{name}_reward": value for name, value in score.metrics.items()} if scored else {}
    return json.dumps({"rewards": rewards, "reason": "" if scored else score.reason or "no reason given"}).encode()


def _read(payload: Mapping[str, Any], iou: JudgeIou) -> Rollouts:
    for name in _TEXTS:
        if not isinstance(payload.get(name), str):
            raise InputError(f"{name}: expected text")
    parameters = _parameters(payload["reward_verifier_parm"])
    weights = {
        "accuracy": _ratio(payload, "accuracy_ratio", 1.0),
        "format": _ratio(payload, "format_ratio", 0.1),
    }
    grid = parameters.get("image_grid_thw") or []
    seen = None
    if grid:
        match grid[0] if isinstance(grid, list) else None:
            case [_, height, width]:
                seen = check_size([width, height], "image_grid_thw")
            case _:
                raise InputError("image_grid_thw: expected [[t, height, width]] in pixels")
    name = payload["reward_verifier"]
    if name == "mathverify":
        verifier, truth, params = "v-triune-mathverify-compat", json.dumps({"text": payload["solution"]}), {}
    elif name == "detection":
        verifier, truth = "v-triune-detection-compat", payload["solution"]
        params = _detection(parameters, iou, sized=seen is not None)
    else:
        raise InputError('reward_verifier: expected "mathverify" or "detection"')
    question = Question(verifier, truth, seen or (1, 1), json.dumps(params), json.dumps(weights), seen)
    return Rollouts(question, (payload["response"],), _progress(parameters))


def _detection(parameters: Mapping[str, Any], iou: JudgeIou, *, sized: bool) -> dict[str, Any]:
    ratios = parameters.get("det_reward_ratio") or {}
    if not isinstance(ratios, dict) or any(ratio is not None and _number(ratio) is None for ratio in ratios.values()):
        raise InputError("det_reward_ratio: expected numbers by name")
    params: dict[str, Any] = {
        "det_reward_ratio": ratios,
        # Without a size the original compares the answer's pixels as they are.
        "normalized": sized and bool(parameters.get("det_verifier_normalized")),
    }
    if iou != "average":
        params["threshold"] = "v-triune" if iou == "dynamic" else iou
    return params


def _progress(parameters: Mapping[str, Any]) -> float:
    step, total = _number(parameters.get("step")), _number(parameters.get("total_steps"))
    if step is None or total is None or step < 0 or total <= 0:
        raise InputError("step, total_steps: expected numbers, the second one above 0")
    return min(1.0, step / total)


def _ratio(payload: Mapping[str, Any], name: str, default: float) -> float:
    if payload.get(name) is None:
        return default
    value = _number(payload[name])
    if value is None or value < 0:
        raise InputError(f"{name}: expected a number from 0 on")
    return value


def _parameters(text: str) -> dict[str, Any]:
    """The table in `reward_verifier_parm`, which is JSON text. Raises InputError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError("reward_verifier_parm: expected the text of a JSON object")
    return value


def _number(value: Any) -> float | None:
    real = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if real else None
