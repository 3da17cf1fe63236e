from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.rollouts import HALF, RIGHT, lines, rl, write

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


def pe(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PE, "score", *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty samples of one cat each."""
    return write(tmp_path_factory.mktemp("score") / "rl", [[rl(f"k{number}") for number in range(20)]])


def test_a_table_and_both_files(shards: Path, tmp_path: Path) -> None:
    rows = [{"key": f"k{number}", "response": text} for number in range(20) for text in (RIGHT, HALF)]
    done = pe(lines(tmp_path / "r.jsonl", *rows), "--against", shards, "--out", tmp_path / "scores.jsonl")
    assert done.returncode == 0, done.stderr
    assert "coco/grounding         40" in done.stdout
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 40
    (source,) = map(json.loads, (tmp_path / "scores.sources.jsonl").read_text().splitlines())
    assert source["responses"] == 40
    assert "scores.sources.jsonl" in done.stderr


def test_json_and_the_end_above_a_share_of_missing_scores(tmp_path: Path) -> None:
    bad = {"verifier": rl("k").verifier.model_copy(update={"name": "detecton"})}
    shards = write(tmp_path / "rl", [[rl("good"), rl("bad", **bad)]])
    path = lines(tmp_path / "r", *[{"key": "good", "response": RIGHT}] * 9, {"key": "bad", "response": RIGHT})
    done = pe(path, "--against", shards, "--json")
    assert done.returncode == 3
    assert done.stderr == "pe: 10.0% of the scores are missing, more than 5.0%\n"
    result = json.loads(done.stdout)
    assert (result["scored"], result["missing"], result["all"]["missing"]) == (9, 1, 0.1)
    assert pe(path, "--against", shards, "--max-missing", "0.1").returncode == 0


def test_bad_lines_are_named_and_the_others_scored(shards: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "r", {"key": "k1", "response": RIGHT}, "nonsense", {"key": "k2", "response": RIGHT})
    done = pe(path, "--against", shards, "--json")
    assert done.returncode == 2
    assert done.stderr.startswith(f"pe: {path}: line 2: not JSON")
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["scored"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("absent.jsonl", "--against", "absent"), "no plan.jsonl"),
        (("absent.jsonl",), "--against"),
        (("absent.jsonl", "--against", "x.tar", "--progress", "2"), "--progress"),
    ],
)
def test_bad_usage_ends_with_two(words: tuple[str, ...], message: str) -> None:
    done = pe(*words)
    assert done.returncode == 2
    assert message in done.stderr
