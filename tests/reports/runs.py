"""The folder of a training run, written by hand in the form that `pe train` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pe.schemas.sample import RewardModel, Sample, Verifier, dumps
from tests.reports.outputs import HOSTILE
from tests.shards import factory

SIZE = (48, 32)
TRUTH = {
    "objects": [
        {"phrase": "cat", "bbox": [2, 2, 20, 12], "rings": [[2, 2, 20, 2, 20, 12, 2, 12]]},
        {"phrase": "dog", "bbox": [24, 8, 40, 30]},
    ],
    "negatives": ["unicorn"],
}


def record(key: str, truth: dict[str, Any] | None = None, params: dict[str, Any] | None = None) -> Sample:
    """An rl record about a picture of SIZE whose answers are boxes in per mille (Qwen3-VL)."""
    sample = factory.sample(key, factory.picture(1, SIZE))
    return sample.model_copy(
        update={
            "kind": "rl",
            "data_source": "world/detect",
            "messages_json": dumps([{"role": "user", "content": "<image>Where are cat, dog and unicorn?"}]),
            "reward_model": RewardModel(ground_truth=dumps(truth or TRUTH)),
            "verifier": Verifier(name="detection", params_json=dumps(params or {"format": "qwen3-vl"})),
        }
    )


def boxes(*objects: tuple[str, list[int]]) -> str:
    """A response of `(phrase, [x0, y0, x1, y1] in per mille)`."""
    return json.dumps([{"bbox_2d": box, "label": phrase} for phrase, box in objects])


def rollout(step: int, key: str, response: str, score: float | None, **more: Any) -> dict[str, Any]:
    """A line of rollouts.jsonl."""
    line = {
        **{"step": step, "key": key, "data_source": "world/detect", "prompt": "Where are cat, dog and unicorn?"},
        **{"response": response, "score": score, "components": {"accuracy": score, "format": 1.0}},
        **{"state": "ok", "tokens": len(response)},
    }
    return line | more


def write(root: Path) -> Path:
    """A run of two stages: a finished SFT, and GRPO with hostile words, a missing score and a last line cut off."""
    root.mkdir(parents=True)
    stages = [{"kind": "sft"}, {"kind": "grpo", "name": "rl"}]
    (root / "run.yaml").write_text(yaml.safe_dump({"train": {"model": "tiny", "out": "run", "stages": stages}}))
    (root / "environment.json").write_text(json.dumps({"device": "cpu", "torch": "2"}))
    sft, rl = root / "sft", root / "rl"
    (rl / "pictures").mkdir(parents=True)
    sft.mkdir()
    (sft / "done.json").write_text("{}")
    _lines(sft / "metrics.jsonl", [{"step": step, "loss": 4 / step, "learning_rate": 1e-3} for step in range(1, 1001)])
    metrics: list[dict[str, Any]] = []
    for step in range(1, 31):
        metrics.append(
            {"step": step, "loss": 0.1, "reward": step / 40, "epoch": step / 30, "completions/mean_length": 20}
        )
        metrics.append(
            {"step": step, "score/world/detect": step / 40, "score/world/point": 0.5, "presence_mcc/world/detect": 0.8}
        )
    metrics.append({"step": 31, "loss": float("nan"), "reward": 0.9})
    metrics.append({"step": 31, f"score/{HOSTILE}": 0.25})
    _lines(rl / "metrics.jsonl", metrics)
    good = boxes(("cat", [42, 62, 417, 375]), ("dog", [500, 250, 833, 938]))
    lines = [
        rollout(1, "a-1", boxes(("cat", [0, 0, 999, 999])), 0.125),
        rollout(11, "a-1", good, 0.97, advantage=1.25),
        rollout(11, "b-2", "I see nothing", None, state="unparsable", components={"accuracy": None}),
        rollout(21, "c-3", boxes((HOSTILE, [10, 10, 500, 500])), 0.5, prompt=HOSTILE, data_source=HOSTILE),
        rollout(21, "../../b-2", good, float("inf")),
    ]
    _lines(rl / "rollouts.jsonl", lines)
    with (rl / "rollouts.jsonl").open("a") as stream:
        stream.write('{"step": 31, "key": "a-1", "resp')
    hostile = {"objects": [{"phrase": HOSTILE, "bbox": [2, 2, 20, 12]}], "negatives": [HOSTILE], "text": HOSTILE}
    for key, truth in (("a-1", None), ("b-2", None), ("c-3", hostile)):
        (rl / "pictures" / f"{key}.jpg").write_bytes(factory.picture(1, SIZE))
        (rl / "pictures" / f"{key}.json").write_bytes(record(key, truth).to_json())
    return root


def _lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
