"""What the table of claims is made of: trainings once a seed, the rest once, and verdicts by ranges."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from pe.recipes.plan import read_recipe

RECIPE: dict[str, Any] = {
    "synth": {"out": "world"},
    "build_rl": {"out": "rl", "sources": []},
    "train": [
        {"out": "train", "model": "demo-base", "stages": [{"kind": "grpo", "data": ["rl"]}]},
        {"out": "control", "model": "train/grpo/model", "stages": [{"kind": "sft", "data": ["trained"]}]},
    ],
    "eval": [
        {"out": "eval/base", "model": "demo-base", "on": "rl"},
        {"out": "eval/grpo", "model": "train/grpo/model", "on": "rl", "compare": "eval/base"},
        {"out": "eval/more", "model": "control/sft/model", "on": "rl", "compare": "eval/grpo"},
    ],
}


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    spec = importlib.util.spec_from_file_location("claims", Path(__file__).parents[2] / "benchmarks" / "claims.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_trainings_and_what_they_make_are_once_a_seed(claims: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(claims.seeded(RECIPE, [0, 7]), sort_keys=False))
    steps = read_recipe(tmp_path / "r.yaml").steps
    assert [step.out for step in steps[:6]] == [
        *("world", "rl", "seed-0/train", "seed-0/control", "seed-7/train", "seed-7/control")
    ]
    assert [step.settings["seed"] for step in steps[2:6]] == [0, 0, 7, 7]
    assert steps[5].settings["model"] == "seed-7/train/grpo/model"
    assert steps[5].settings["stages"] == [{"kind": "sft", "data": ["trained"]}]
    told = [(step.out, step.settings["model"], step.settings.get("compare")) for step in steps[6:]]
    assert told == [
        ("eval/base", "demo-base", None),
        ("seed-0/eval/grpo", "seed-0/train/grpo/model", "eval/base"),
        ("seed-0/eval/more", "seed-0/control/sft/model", "seed-0/eval/grpo"),
        ("seed-7/eval/grpo", "seed-7/train/grpo/model", "eval/base"),
        ("seed-7/eval/more", "seed-7/control/sft/model", "seed-7/eval/grpo"),
    ]


def test_an_ordering_holds_where_no_ranges_overlap(claims: ModuleType, tmp_path: Path) -> None:
    def write(out: str, f1: float, precision: float, off: float) -> None:
        groups = {
            "box-f1-one-to-one": {"F1@.50": {"value": f1}, "precision@.50": {"value": precision}},
            "off-target": {"a response": {"value": off}},
            "objects-a-response": {"objects": {"value": 2.0}},
            "rejection": {"hallucination": {"value": None}},
        }
        (tmp_path / out).mkdir(parents=True)
        (tmp_path / out / "evaluation.json").write_text(json.dumps({"groups": {"all": groups}}))

    write("eval/base", 0.5, 0.6, 0.3)
    for seed, change in ((0, 0.0), (7, 0.1)):
        write(f"seed-{seed}/eval/grpo", 0.6 + change, 0.55 + change, 0.2 + change / 2)
        write(f"seed-{seed}/eval/more", 0.65 + change, 0.5 - change, 0.4 - change)
    found = claims.evaluated(RECIPE, tmp_path, [0, 7])
    assert list(claims.table(found)) == [
        "| evaluation | F1@.5 | precision | off target | objects |",
        "|---|---:|---:|---:|---:|",
        "| base | 0.500 | 0.600 | 0.300 | 2.000 |",
        "| grpo | 0.650 (0.600 to 0.700) | 0.600 (0.550 to 0.650) | 0.225 (0.200 to 0.250) | 2.000 |",
        "| more | 0.700 (0.650 to 0.750) | 0.450 (0.400 to 0.500) | 0.350 (0.300 to 0.400) | 2.000 |",
    ]
    assert list(claims.orderings(RECIPE, found)) == [
        "- grpo against base: better: F1@.5 +0.150, off target -0.075; not told apart: precision +0.000",
        "- more against grpo: not told apart: F1@.5 +0.050; worse: precision -0.150, off target +0.125",
    ]


def test_a_recipe_without_trainings_is_one_line(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "claims.py"
    for text, said in (("synth: {out: w}", "needs the sections train and eval"), ("a: [", "not YAML")):
        (tmp_path / "r.yaml").write_text(text)
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "r.yaml")], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
