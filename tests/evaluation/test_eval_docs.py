"""docs/eval.md describes every metric in its own words, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from pe import registry
from pe.evaluation.eval_settings import EvalSettings
from pe.schemas.settings import load_settings, presets

DOCS = (Path(__file__).parents[2] / "docs" / "eval.md").read_text()


def test_every_metric_stands_in_the_docs() -> None:
    rows = dict(
        re.findall(r"^\| `([\w.-]+)` \| (.*?, .*|.*) \|$", DOCS.split("## The metrics")[1].split("### Where")[0], re.M)
    )
    assert sorted(rows) == registry.names("metrics")
    for name, row in rows.items():
        metric = registry.load("metrics", name)
        assert row == f"{', '.join(metric.figures)} | {metric.rule} | {metric.source}", name


def test_presets_are_settings_and_named() -> None:
    names = presets("eval")
    assert set(names) == {"perception-r1", "rexomni", "simpleseg", "v-triune", "vlm-r1"}
    for name in names:
        assert load_settings(EvalSettings, "eval", {}, preset=name, environ={}).metrics
        assert f"`{name}`" in DOCS or f"--preset {name}" in DOCS
