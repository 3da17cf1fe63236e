"""Workers that are killed, stopped while they load, or end without a word."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.conftest import content

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


def start(source: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    words = ["annotate", source, out, "--detector", "dataset", "--annotations", source / "instances.json", *more]
    return subprocess.Popen(
        [*PE, *map(str, words), "--segmenter", "grabcut", "--shard-inputs", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def workers_of(pid: int) -> list[int]:
    """The worker processes of a run, oldest first."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]  # not the resource tracker


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds workers in /proc")
def test_a_worker_that_is_killed_leaves_its_slice_to_the_others(drawn: Path, tmp_path: Path) -> None:
    whole = start(drawn, tmp_path / "whole")
    _, errors = whole.communicate(timeout=120)
    assert whole.returncode == 0, errors
    out = tmp_path / "out"
    run = start(drawn, out, "--workers", "3")
    while not list(out.glob("shards/*.json")) and run.poll() is None:
        time.sleep(0.005)
    os.kill(workers_of(run.pid)[0], signal.SIGKILL)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "worker 0 died of SIGKILL" in errors
    assert "Traceback" not in errors
    assert len(list(out.glob("shards/*.json"))) == 10
    again = start(drawn, out)
    result, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert json.loads(result)["total"]["written"] == 20
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_at_any_moment(
    drawn: Path, tmp_path: Path, workers: str, signum: signal.Signals
) -> None:
    codes = set()
    for step in range(5):
        out = tmp_path / str(step)
        run = start(drawn, out, "--workers", workers)
        while run.poll() is None and not (out / "plan.jsonl").exists():
            time.sleep(0.002)
        time.sleep(0.25 * step)
        os.killpg(run.pid, signum)
        _, errors = run.communicate(timeout=60)
        codes.add(run.returncode)
        assert "Traceback" not in errors, errors
        assert not [path for path in out.rglob(".*") if path.is_file()]
        assert not list((out / "leases").iterdir())
    # The bare signal ends an interpreter that is on its way out, with everything done.
    assert codes <= {0, 128 + signum, -signum}
    assert 128 + signum in codes


def test_a_signal_while_a_model_loads_ends_the_run_at_once(drawn: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\n"
        "from pe.annotators.detectors.dataset import DatasetDetector as Real\n"
        "import pe.annotators.detectors.dataset as module\n"
        "class Slow(Real):\n"
        "    def __init__(self, settings):\n"
        "        print('loading', flush=True)\n"
        "        time.sleep(60)\n"
        "Slow.__module__ = module.__name__\n"
        "module.DatasetDetector = Slow\n"
        "module.__all__ = ['DatasetDetector']\n"
        "if __name__ == '__main__':\n"
        "    from pe.cli import main\n"
        "    main()\n"
    )
    for workers in ("1", "2"):
        words = ["annotate", drawn, tmp_path / f"out{workers}", "--detector", "dataset", "--segmenter", "none"]
        words += ["--annotations", drawn / "instances.json", "--workers", workers, "--shard-inputs", "4"]
        run = subprocess.Popen(
            [sys.executable, str(slow), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        assert run.stdout.readline() == "loading\n"
        since = time.monotonic()
        run.send_signal(signal.SIGTERM)
        _, errors = run.communicate(timeout=50)
        assert time.monotonic() - since < 10
        assert run.returncode == 143, errors
        assert "interrupted by SIGTERM" in errors
        assert "Traceback" not in errors
