"""The rows of the full-size recipes, built from small files of the published forms."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from pe.engines.mixes.build import build
from pe.engines.mixes.settings import MixSettings
from pe.engines.synthetic.engine import synth
from pe.engines.synthetic.settings import SynthSettings
from pe.recipes.plan import read_recipe
from pe.recipes.shipped import recipe_path
from pe.shards.output import Output
from pe.shards.read import read_shard
from tests.engines.test_importing import Quiet
from tests.recipes import published

SYSTEMS = ("perception-r1", "rex-omni", "simpleseg", "v-triune", "vlm-r1")


def small(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings for a handful of rows, without the hub's tokenizer, at an IoU that small pictures reach."""
    settings = copy.deepcopy(settings)
    settings.pop("tokenizer", None)
    settings["rows"] = min(settings.get("rows", 12), 12)
    if settings.get("negatives", {}).get("most"):
        settings["negatives"]["least"] = 1
    for leaf in settings["sources"]:
        leaf.get("filters", {}).pop("tokens", None)
        if leaf.get("parameters", {}).get("verifier") == "v-triune-detection":
            leaf["parameters"]["verifier_parameters"] = {"threshold": 0.5}
        if "count" in leaf:
            leaf["count"] = 2
            settings["rows"] = 2 * len(settings["sources"])
    return settings


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_mix_of_a_recipe_gives_rows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published.data(tmp_path)
    monkeypatch.chdir(tmp_path)
    if name == "rex-omni":
        synth(SynthSettings.model_validate({"out": "web", "scenes": 40}), Quiet())
    for step in read_recipe(recipe_path(name)).steps:
        if step.section in ("build_sft", "build_rl"):
            kind = step.section.removeprefix("build_")
            settings = MixSettings.model_validate({"kind": kind, **small(step.settings)})
            summary = build(settings, Quiet())
            rows = [sample for shard in Output(settings.out).shards() for sample, _ in read_shard(shard)]
            assert rows, f"{step.name} {step.out}: {summary.notes()}"
            assert len({sample.data_source for sample in rows}) > len(settings.leaves) / 2
