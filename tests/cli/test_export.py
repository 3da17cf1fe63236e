from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shards.exports import rows

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


def pe(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows.annotated(tmp_path_factory.mktemp("cli") / "out")


def test_out_and_in_again(shards: Path, tmp_path: Path) -> None:
    done = pe("export", shards, tmp_path / "set", "--to", "coco", "--split", "val", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["samples"], result["written"], result["left_out"]) == (6, 6, {})
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["started"]
    assert (tmp_path / "set/annotations/instances_val.json").is_file()
    again = pe("import", tmp_path / "set", tmp_path / "again", "--from", "coco", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["run"]["written"] == 6
    assert pe("verify", tmp_path / "again").returncode == 0


def test_what_a_layout_cannot_hold_is_a_line_each(shards: Path, tmp_path: Path) -> None:
    done = pe("export", shards, tmp_path / "set", "--to", "imagefolder")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "6 samples = 6 written + 0 left out"
    assert "not carried by imagefolder: 25 masks and rings" in lines
    assert "not carried by imagefolder: 7 negatives" in lines


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["export", "SHARDS", "OUT"], "--to"),
        (["export", "SHARDS", "OUT", "--to", "verl"], "verl takes rl and sft"),
        (["export", "SHARDS", "OUT", "--to", "cocoa"], "did you mean coco"),
        (["export", "SHARDS", "SHARDS", "--to", "coco"], "not empty"),
        (["export", "nowhere", "OUT", "--to", "coco"], "not an output folder"),
        (["import", "nowhere", "OUT", "--from", "coco"], "no such file"),
        (["import", "nowhere", "OUT", "--from", "voc"], "no import is called 'voc'"),
        (["import", "SHARDS", "OUT", "--from", "imagefolder"], "metadata.jsonl"),
        (["import", "SHARDS", "OUT", "--from", "coco", "--epsilon", "2"], "epsilon"),
    ],
)
def test_wrong_usage_is_one_clear_line(shards: Path, tmp_path: Path, words: list[str], says: str) -> None:
    names = {"SHARDS": shards, "OUT": tmp_path / "out"}
    done = pe(*(names.get(word, word) for word in words))
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "out").exists()
