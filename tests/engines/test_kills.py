from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def harness() -> ModuleType:
    path = ROOT / "benchmarks/kill_and_resume.py"
    spec = importlib.util.spec_from_file_location("kill_and_resume", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("workers", [1, 3])
def test_killed_runs_end_with_the_bytes_of_an_undisturbed_one(drawn: Path, tmp_path: Path, workers: int) -> None:
    flags = ["--detector", "dataset", "--annotations", str(drawn / "instances.json"), "--segmenter", "grabcut"]
    outcome = harness().kill_and_resume(
        drawn, [*flags, "--shard-inputs", "2"], kills=6, workers=workers, folder=tmp_path, seed=workers
    )
    assert outcome.kills == 6
    assert outcome.differing == []
    assert outcome.leftovers == []
    assert outcome.shards == 10
