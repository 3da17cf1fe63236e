"""Every recipe that ships is valid, and each kind of fault is found, all at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pe.recipes.plan import read_recipe
from pe.recipes.shipped import recipe_names, recipe_path
from pe.recipes.validate import faults

EXAMPLES = sorted((Path(__file__).parents[2] / "examples/arms").glob("*.yaml"))
SYSTEMS = ("perception-r1", "rex-omni", "simpleseg", "v-triune", "vlm-r1")

SMALL: dict[str, Any] = {
    "recipe": {
        "title": "a test",
        "devices": 2,
        "batch": {"sft": 32, "grpo": 8},
        "lengths": {"row": 512, "prompt": 512, "completion": 128},
        "needs": {"data/photos": "photos"},
    },
    "annotate": {"source": "data/photos", "out": "web", "phrases": "a dog", "filters": {"size": {"min_side": 28}}},
    "build_sft": {
        "out": "sft",
        "format": "rexomni",
        "tokenizer": "org/model",
        "sources": [{"task": "detect", "data": "web", "filters": {"tokens": {"max": 512}}}],
    },
    "build_rl": {
        "out": "rl",
        "format": "rexomni",
        "sources": [{"task": "detect", "data": "web/shards/*.tar", "parameters": {"verifier": "rexomni-box-iou"}}],
    },
    "mine": {"model": "org/model", "on": "rl", "out": "mined"},
    "train": {
        "out": "train",
        "model": "org/model",
        "format": "rexomni",
        "max_pixels": 100352,
        "stages": [
            {"kind": "sft", "data": ["sft"], "per_device_train_batch_size": 16},
            {
                "kind": "grpo",
                "data": ["mined"],
                "per_device_train_batch_size": 8,
                "gradient_accumulation_steps": 4,
                "max_completion_length": 128,
            },
        ],
    },
    "eval": {"model": "train/grpo/model", "on": "rl", "out": "eval", "metrics": "reward"},
}


def found(sections: dict[str, Any], path: Path) -> list[str]:
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return faults(read_recipe(path))


@pytest.mark.parametrize("path", [*map(recipe_path, recipe_names()), *EXAMPLES], ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid(path: Path) -> None:
    assert faults(read_recipe(path)) == []


def test_every_system_has_a_recipe_and_a_twin() -> None:
    assert set(recipe_names()) == {*SYSTEMS, *(f"{name}-small" for name in SYSTEMS)}


def test_a_recipe_without_fault(tmp_path: Path) -> None:
    assert found(SMALL, tmp_path / "r.yaml") == []


def _train(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda sections: change(sections["train"])


def _groups(train: dict[str, Any]) -> None:
    train["stages"][1].update(per_device_train_batch_size=4, gradient_accumulation_steps=1, num_generations=8)


FAULTS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("no detector is called 'dino'", lambda s: s["annotate"].update(detector="dino")),
    ("no filter is called 'sice'", lambda s: s["annotate"]["filters"].update(sice={})),
    ("no step before makes photos", lambda s: s["annotate"].update(source="photos")),
    ("no model is called yolo", lambda s: s["annotate"].update(detector_model="yolo")),
    ("no format is called 'rexomi'; did you mean rexomni", lambda s: s["build_sft"].update(format="rexomi")),
    ("no task is called 'detekt'", lambda s: s["build_sft"]["sources"][0].update(task="detekt")),
    ("wordings", lambda s: s["build_sft"]["sources"][0].update(parameters={"wordings": "rex"})),
    ("tokens; its filter lets all through", lambda s: s["build_sft"]["sources"][0].update(filters={})),
    ("tokens; its filter lets 600", lambda s: s["build_sft"]["sources"][0].update(filters={"tokens": {"max": 600}})),
    ("needs a tokenizer", lambda s: s["build_sft"].pop("tokenizer")),
    ("no verifier is called 'iou'", lambda s: s["build_rl"]["sources"][0].update(parameters={"verifier": "iou"})),
    (
        "has no component speed",
        lambda s: s["build_rl"]["sources"][0]["parameters"].update(weights={"accuracy": 1, "speed": 1}),
    ),
    (
        "(it takes",
        lambda s: s["build_rl"]["sources"][0]["parameters"].update(verifier_parameters={"treshold": 0.5}),
    ),
    ("no step before makes web2", lambda s: s["build_rl"]["sources"][0].update(data="web2")),
    ("no layout is called 'cocoa'", lambda s: s["build_rl"].update(data={"annotations": "a", "layout": "cocoa"})),
    ("no step before makes rl2", lambda s: s["mine"].update({"on": "rl2"})),
    ("no model is called base", _train(lambda t: t.update(model="base"))),
    ("whose tokens the model lacks", _train(lambda t: t.update(format=""))),
    ("no format is called 'x'", _train(lambda t: t.update(format="x"))),
    ("no learning rate schedule is called 'cosin'", _train(lambda t: t["stages"][0].update(lr_scheduler_type="cosin"))),
    ("has no data", _train(lambda t: t["stages"][0].pop("data"))),
    ("makes no rows for a stage of kind sft", _train(lambda t: t["stages"][0].update(data=["rl"]))),
    (
        "takes 32 by recipe.batch, and 8 x 1 x 2 devices",
        _train(lambda t: t["stages"][0].update(per_device_train_batch_size=8)),
    ),
    ("= 4 completions a step are no whole groups of 8", lambda s: (s["recipe"].update(devices=1), _groups(s["train"]))),
    ("max_completion_length is 64", _train(lambda t: t["stages"][1].update(max_completion_length=64))),
    ("a picture of max_pixels has 1024 tokens", _train(lambda t: t.update(max_pixels=802816))),
    ("wordings", _train(lambda t: t["stages"][1].update(wordings="nothing"))),
    ("no step before makes scores", _train(lambda t: t["stages"][1].update(curriculum={"scores": "scores/d.jsonl"}))),
    ("unknown setting 'modle'", _train(lambda t: t.update(modle=1))),
    ("no step before makes the model train/rl/model", lambda s: s["eval"].update(model="train/rl/model")),
    ("no metric is called 'iou'", lambda s: s["eval"].update(metrics="iou")),
    ("no step before makes evals", lambda s: s["eval"].update(compare="evals")),
    ("it needs on", lambda s: s["eval"].pop("on")),
    ("no step uses data/more", lambda s: s["recipe"]["needs"].update({"data/more": "x"})),
    ("no stage is called dpo", lambda s: s["recipe"]["batch"].update(dpo=1)),
]


@pytest.mark.parametrize(("says", "change"), FAULTS, ids=[says for says, _ in FAULTS])
def test_a_fault_is_found(says: str, change: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    sections = copy.deepcopy(SMALL)
    change(sections)
    problems = found(sections, tmp_path / "r.yaml")
    assert any(says in problem for problem in problems), problems
    assert all("\n" not in problem for problem in problems)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    sections = copy.deepcopy(SMALL)
    for says, change in FAULTS:
        if says.startswith(("no detector", "no filter", "no task", "no verifier", "no learning", "no metric")):
            change(sections)
    problems = "\n".join(found(sections, tmp_path / "r.yaml"))
    for name in ("dino", "sice", "detekt", "iou", "cosin"):
        assert f"'{name}'" in problems
