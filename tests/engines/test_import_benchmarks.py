"""Benchmarks as published, through `pe import`, to the rows that an evaluation asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pe.engines.import_settings import ImportSettings
from pe.engines.importing import import_annotations
from pe.engines.mixes.build import build
from pe.engines.mixes.settings import MixSettings
from pe.engines.taking_over import RowSettings, take_over
from pe.schemas.sample import Sample
from pe.shards.output import Output
from pe.shards.read import read_shard
from tests.engines.test_importing import Quiet
from tests.shards.imports import benchmark_files as files

LAYOUTS: list[tuple[str, Callable[[Path], Path], dict[str, Any], int]] = [
    ("d3", files.d3, {"task": "detect", "format": "vlm-r1"}, 1),
    ("ovdeval", files.ovdeval, {"task": "detect", "format": "v-triune"}, 1),
    ("visdrone", files.visdrone, {"task": "detect", "format": "rexomni"}, 2),
    ("humanref", files.humanref, {"task": "refer", "format": "rexomni", "parameters": {"source": "expressions"}}, 3),
    ("rexomni-eval", files.rexomni_eval, {"task": "detect", "format": "rexomni"}, 2),
    ("screenspot", files.screenspot, {"task": "gui-point", "format": "qwen2.5-vl"}, 2),
    ("screenspot", files.screenspot_pro, {"task": "gui-box", "format": "qwen2.5-vl"}, 2),
    (
        "refspatial",
        files.refspatial,
        {"task": "spatial-pointing", "format": "rexomni", "parameters": {"kinds": ["referring"]}},
        3,
    ),
]


def rows(shards: Path, out: Path, leaf: dict[str, Any]) -> list[Sample]:
    mix = {"kind": "rl", "out": out, "data": str(shards), "sources": [leaf], "positives_only": True}
    build(MixSettings.model_validate({**mix, "negatives": {"most": 1, "least": 1}, "floor": 0.0}), Quiet())
    return [sample for shard in Output(out).shards() for sample, _ in read_shard(shard)]


@pytest.mark.parametrize(("name", "make", "leaf", "least"), LAYOUTS)
def test_a_benchmark_becomes_rows(
    name: str, make: Callable[[Path], Path], leaf: dict[str, Any], least: int, tmp_path: Path
) -> None:
    source = make(tmp_path / "in")
    summary = import_annotations(ImportSettings(source=source, out=tmp_path / "out", layout=name), Quiet())
    pictures = [sample for shard in Output(tmp_path / "out").shards() for sample, _ in read_shard(shard)]
    assert len(pictures) == summary.run.written > 0
    assert not summary.run.quarantined
    made = rows(tmp_path / "out", tmp_path / "rows", leaf)
    assert len(made) >= least
    assert all(json.loads(sample.reward_model.ground_truth) for sample in made)
    again = import_annotations(ImportSettings(source=source, out=tmp_path / "out", layout=name), Quiet())
    assert again.run.written == 0, "nothing is new"


def test_the_masks_of_refspatial_are_accounted_for(tmp_path: Path) -> None:
    source = files.refspatial(tmp_path / "in")
    run = import_annotations(ImportSettings(source=source, out=tmp_path / "out", layout="refspatial"), Quiet()).run
    assert (run.inputs, run.written, run.filtered, run.duplicate) == (6, 2, {"not_annotated": 3}, 1)


def test_counting_benchmarks_are_rows(tmp_path: Path) -> None:
    counted = [
        # name, file, pictures, right answers, question, what was quarantined
        ("countbench", files.countbench(tmp_path / "a"), "", ["2", "3"], "How many cups are there in the image?", {}),
        (
            "pixmo",
            files.pixmo_count(tmp_path / "b"),
            str(tmp_path / "b/images"),
            ["2"],
            "How many cats are there?",
            {"not_there": 1},
        ),
    ]
    for name, source, images, golds, question, lost in counted:
        run = take_over(RowSettings(source=source, out=tmp_path / name, images=images), Quiet()).run
        assert (run.written, run.quarantined) == (len(golds), lost)
        leaf = {"task": "qa", "format": "boxed", "parameters": {"verifier": "maths"}}
        made = rows(tmp_path / name, tmp_path / f"{name}-rows", leaf)
        assert sorted(json.loads(sample.reward_model.ground_truth)["text"] for sample in made) == golds
        assert all(question in sample.messages_json for sample in made)


def test_a_picture_of_other_bytes_than_its_hash_is_not_taken(tmp_path: Path) -> None:
    source = files.pixmo_count(tmp_path)
    (picture,) = (tmp_path / "images").iterdir()
    picture.write_bytes(picture.read_bytes() + b"\0")
    run = take_over(RowSettings(source=source, out=tmp_path / "out", images=str(tmp_path / "images")), Quiet()).run
    assert (run.written, run.quarantined) == (0, {"changed": 1, "not_there": 1})
