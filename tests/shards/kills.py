"""Kills real processes at random moments, and lets them go on, until the work is done.

python -m tests.shards.kills work OUT INPUTS         one worker: plan, write what nobody else is at
python -m tests.shards.kills storm FOLDER KILLS      many of them, killed; ends with 1 when a byte differs
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from pe.shards.lease import sweep
from pe.shards.output import Output
from tests.shards import factory

ROOT = Path(__file__).resolve().parents[2]


def start(out: Path, inputs: int, count: int = 1) -> list[subprocess.Popen[str]]:
    """Worker processes that all begin at the same moment, now that their imports are done."""
    command = [sys.executable, "-m", "tests.shards.kills", "work", str(out), str(inputs)]
    children = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return children


def finish(out: Path, inputs: int, count: int = 1) -> float:
    """Run to the end, without a kill; returns how many seconds the work took."""
    children = start(out, inputs, count)
    since = time.monotonic()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    return time.monotonic() - since


def storm(folder: Path, kills: int, inputs: int = 40, workers: int = 1, seed: int = 0) -> dict[str, int]:
    """Kill workers `kills` times; every time the work is whole, compare it with `folder/whole` and start anew.

    Returns how many kills there were, how many of them before the end, and how many after the first commit. Raises
    AssertionError where a byte differs or a temporary file is left.
    """
    rng = random.Random(seed)
    whole = folder / "whole"
    seconds = finish(whole, inputs)
    wanted = factory.tree(whole)
    told = {"kills": 0, "in time": 0, "after a commit": 0, "runs": 0}
    while told["kills"] < kills:
        out = folder / f"killed-{told['runs']}"
        told["runs"] += 1
        for _ in range(4):
            children = start(out, inputs, workers)
            time.sleep(seconds * 10 ** rng.uniform(-2, -0.3))
            for child in children:
                told["in time"] += child.poll() is None
                child.send_signal(signal.SIGKILL)
                child.communicate()
                told["kills"] += 1
                told["after a commit"] += any((out / "shards").glob("*.json"))
        finish(out, inputs)
        sweep(Output(out))
        assert factory.tree(out) == wanted, f"{out} is not {whole}"
    return told


def main() -> None:
    """The two commands of the module's docstring."""
    what, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if what == "work":
        source = factory.photos(count)
        print("ready", flush=True)
        sys.stdin.readline()
        factory.run(folder, source, shard_inputs=4)
    else:
        for workers in (1, 4):
            print(workers, "workers:", storm(folder / str(workers), count, workers=workers), flush=True)


if __name__ == "__main__":
    main()
