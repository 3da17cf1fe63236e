from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluation.generation.servers import Server, ask, serving
from tests.evaluation.rollouts import rl, write

pytest.importorskip("openai")

PE = [sys.executable, "-c", "from pe.cli import main; main()", "mine"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty rows in three shards, of which some are too easy and some too hard."""
    rows = [[ask(f"k{shard}{row}", f"p={row / 9} greedy={row % 2}") for row in range(10)] for shard in range(3)]
    return write(tmp_path_factory.mktemp("cli") / "rl", rows)


def pe(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_table_and_counts_that_add_up(server: Server, shards: Path, tmp_path: Path) -> None:
    done = pe("m", tmp_path / "out", "--on", shards, "--url", server.url, "--samples", 16, "--concurrency", 16)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["data", "source", "rows"]
    assert lines[2].split()[:2] == ["all", "30"]
    assert "30 inputs = " in done.stdout
    again = pe("m", tmp_path / "out", "--on", shards, "--url", server.url, "--samples", 16, "--json")
    found = json.loads(again.stdout)
    total = found["run"]["total"]
    assert total["inputs"] == 30 == total["written"] + sum(total["filtered"].values())
    assert found["all"]["kept"] == total["written"]
    verified = subprocess.run([*PE[:-1], "verify", str(tmp_path / "out")], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_presets_ship_and_flags_stand_over_them(server: Server, shards: Path, tmp_path: Path) -> None:
    words = ("--on", shards, "--url", server.url, "--concurrency", 16, "--json")
    done = pe("m", tmp_path / "hd", *words, "--preset", "falcon-hd", "--samples", 4)
    found = json.loads(done.stdout)
    assert (found["samples"], found["all"]["dropped"]["greedy_right"]) == (4, 15)
    # Those rows are of a verifier whose threshold is none.
    done = pe("m", tmp_path / "boxes", *words, "--preset", "v-triune-boxes")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "threshold" in done.stderr
    done = pe("m", tmp_path / "reasoning", *words, "--preset", "v-triune-reasoning")
    assert json.loads(done.stdout)["all"]["dropped"].keys() == {"pass_rate_high"}


def test_killed_at_any_moment_nothing_is_asked_twice_or_differs(server: Server, shards: Path, tmp_path: Path) -> None:
    words = ["slow", "--on", str(shards), "--url", server.url, "--samples", "6", "--concurrency", "4"]
    server.stats()
    assert pe(*words, tmp_path / "whole").returncode == 0
    wanted = Counter(map(tuple, server.stats()["asked"]))
    assert set(wanted.values()) == {1}
    out, kills = tmp_path / "out", 0
    asked: Counter[tuple[object, ...]] = Counter()
    for least in (1, 120, 185):
        with subprocess.Popen([*PE, *words, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            logs = [out / "cache" / name for name in ("sampled.jsonl", "greedy.jsonl")]
            while child.poll() is None:
                if sum(log.read_bytes().count(b"\n") for log in logs if log.exists()) >= least:
                    child.send_signal(signal.SIGKILL)
                time.sleep(0.005)
        kills += child.returncode == -signal.SIGKILL
        with (out / "cache" / "sampled.jsonl").open("ab") as stream:
            stream.write(b'{"key":"k00","samp')
        asked.update(map(tuple, server.stats()["asked"]))
    assert kills >= 2
    assert pe(*words, out).returncode == 0
    asked.update(map(tuple, server.stats()["asked"]))
    assert asked.keys() == wanted.keys()
    # What was on its way when it was killed is asked again: at most one for each of the four that ask.
    assert sum(asked.values()) - sum(wanted.values()) <= 4 * kills
    for name in ("difficulty.jsonl", "cache/sampled.jsonl", "cache/greedy.jsonl"):
        one, two = (sorted((folder / name).read_bytes().splitlines()) for folder in (tmp_path / "whole", out))
        assert one == two
    for tar in sorted((tmp_path / "whole" / "shards").iterdir()):
        assert tar.read_bytes() == (out / "shards" / tar.name).read_bytes()


def test_a_signal_ends_it_in_one_line(server: Server, shards: Path, tmp_path: Path) -> None:
    words = ["slow", "--on", str(shards), "--url", server.url, "--samples", "30", str(tmp_path / "out")]
    with subprocess.Popen([*PE, *words], stderr=subprocess.PIPE, text=True) as child:
        log = tmp_path / "out" / "cache" / "sampled.jsonl"
        while child.poll() is None and not (log.exists() and log.stat().st_size):
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert errors.splitlines()[-1] == "pe: interrupted by SIGINT"
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("m", "out"), "--on"),
        (("m", "out", "--on", "absent"), "no plan.jsonl"),
        (("m", "out", "--on", "absent", "--keep", "passrate"), "no rule is called 'passrate'"),
        (("m", "out", "--on", "absent", "--preset", "falcon"), "did you mean falcon-hd?"),
        (("m", "out", "--on", "absent", "--samples", "0"), "samples"),
    ],
)
def test_bad_usage_ends_with_two(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = subprocess.run([*PE, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_is_one_line(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PE_OFFLINE", "1")
    done = pe("no-such-org/no-such-model", tmp_path / "out", "--on", shards)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is not on this machine" in done.stderr


def test_annotated_samples_are_refused(tmp_path: Path) -> None:
    annotated = write(tmp_path / "annotated", [[rl("a", kind="annotated")]])
    done = pe("m", tmp_path / "out", "--on", annotated, "--url", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "holds annotated samples" in done.stderr
