"""Kill `pe annotate` again and again and compare what is left with an undisturbed run, byte for byte.

python benchmarks/kill_and_resume.py SOURCE --kills 100 --workers 1 4 -- --detector dataset --annotations FILE ...
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


@dataclass
class Outcome:
    """What happened: `after_commit` kills hit a folder that held a committed shard."""

    workers: int
    kills: int
    after_commit: int
    resumes_to_the_end: int
    shards: int
    identical: bool
    differing: list[str]
    leftovers: list[str]


def annotate(source: Path, out: Path, flags: list[str], workers: int) -> list[str]:
    return [*PE, "annotate", str(source), str(out), "--workers", str(workers), *flags]


def content(out: Path) -> dict[str, bytes]:
    """Every committed file of an output folder by its name; the plan and the accounts too."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def leftovers(out: Path) -> list[str]:
    """Temporary files and leases."""
    found = [
        path for path in out.rglob("*") if path.is_file() and (path.name[0] == "." or path.parent.name == "leases")
    ]
    return sorted(str(path.relative_to(out)) for path in found)


def kill_and_resume(
    source: Path, flags: list[str], *, kills: int, workers: int, folder: Path, seed: int = 0
) -> Outcome:
    """Kill runs at random moments until `kills` are done; finish; compare with a run that nobody disturbed.

    A folder that is finished before the last kill is thrown away and begun anew, so that kills hit every phase.
    Raises CalledProcessError when a run that is left alone fails.
    """
    rng = random.Random(seed)
    reference = folder / "reference"
    since = time.monotonic()
    subprocess.run(annotate(source, reference, flags, workers), check=True, capture_output=True)
    duration = time.monotonic() - since
    out = folder / "killed"
    done = after_commit = finished = 0
    differing: set[str] = set()

    def finish() -> None:
        subprocess.run(annotate(source, out, flags, workers), check=True, capture_output=True)
        expected, found = content(reference), content(out)
        differing.update(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))

    while done < kills:
        child = subprocess.Popen(
            annotate(source, out, flags, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            child.wait(rng.uniform(0.3, 1.0) * duration)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            done += 1
            after_commit += any((out / "shards").glob("0*.json")) if out.exists() else 0
            if rng.random() < 0.15:
                finish()
                finished += 1
                shutil.rmtree(out)
        else:
            finish()
            finished += 1
            shutil.rmtree(out)
    finish()
    return Outcome(
        workers=workers,
        kills=done,
        after_commit=after_commit,
        resumes_to_the_end=finished + 1,
        shards=len(list((reference / "shards").glob("*.tar"))),
        identical=not differing,
        differing=sorted(differing),
        leftovers=leftovers(out),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("flags", nargs="*", help="flags of pe annotate, after --")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ok = True
    for number, workers in enumerate(options.workers):
        share = options.kills // len(options.workers)
        with tempfile.TemporaryDirectory(prefix="pe-kills-") as folder:
            outcome = kill_and_resume(
                options.source, options.flags, kills=share, workers=workers, folder=Path(folder), seed=number
            )
        print(json.dumps(asdict(outcome)), flush=True)
        ok &= outcome.identical and not outcome.leftovers
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
