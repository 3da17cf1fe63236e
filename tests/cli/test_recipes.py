"""`pe run` and `pe recipes` from a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RECIPE = "recipe: {title: drawn}\nsynth: {out: world, scenes: 3}\n"


def pe(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pe", *words], capture_output=True, text=True, cwd=at)


def test_list_show_copy_validate_and_run(tmp_path: Path) -> None:
    rows = json.loads(pe("recipes", "list", "--json", at=tmp_path).stdout)["recipes"]
    assert {row["name"] for row in rows} >= {"rex-omni", "rex-omni-small", "vlm-r1"}
    shown = pe("recipes", "show", "vlm-r1", at=tmp_path).stdout
    assert shown.startswith("# VLM-R1 (arXiv 2504.07615")
    done = pe("recipes", "copy", "vlm-r1", "mine.yaml", at=tmp_path)
    assert (done.returncode, (tmp_path / "mine.yaml").read_text()) == (0, shown)
    again = pe("recipes", "copy", "vlm-r1", "mine.yaml", at=tmp_path)
    assert again.returncode == 2
    assert "it is there already" in again.stderr

    (tmp_path / "mine.yaml").write_text(RECIPE)
    assert pe("recipes", "validate", "mine.yaml", at=tmp_path).stdout == "mine.yaml: valid\n"
    (tmp_path / "bad.yaml").write_text(RECIPE.replace("scenes: 3", "scenes: none, splitt: test"))
    bad = pe("recipes", "validate", "bad.yaml", "mine.yaml", at=tmp_path)
    assert (bad.returncode, bad.stdout) == (2, "mine.yaml: valid\n")
    assert len(bad.stderr.splitlines()) == 2
    assert "Traceback" not in bad.stderr
    told = json.loads(pe("recipes", "validate", "nowhere.yaml", "mine.yaml", "--json", at=tmp_path).stdout)["recipes"]
    assert told["mine.yaml"] == []
    assert told["nowhere.yaml"][0].startswith("no such file")

    dry = pe("run", "mine.yaml", "--dry-run", at=tmp_path)
    assert (dry.returncode, dry.stdout) == (0, "synth  world  to do\n")
    done = pe("recipes", "run", "mine.yaml", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "mine/world/shards").glob("*.tar"))
    assert pe("run", "mine.yaml", at=tmp_path).stdout == "synth  world  unchanged\n"


def test_an_unknown_recipe_names_the_nearest(tmp_path: Path) -> None:
    done = pe("recipes", "run", "rexomni", at=tmp_path)
    assert done.returncode == 2
    assert "did you mean rex-omni" in done.stderr
    assert len(done.stderr.splitlines()) == 1
