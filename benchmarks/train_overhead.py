"""CPU time inside `pe`'s own functions as a share of a training step's, by profile: one JSON line a stage.

python benchmarks/train_overhead.py [--steps 20] [--width 128] [--folder build/train-overhead]

A Qwen2.5-VL from its configuration (width 128: about a million weights), drawn scenes of 128 x 128 pixels, SFT with 48
rows a step and GRPO with 96 responses a step, on one thread. Counted as `pe`'s: rows read, decoded and made into
conversations (in the thread that loads ahead), the order of rows, rewards, monitors, logs, rollouts, the watch; with
all that they call. Not counted: what TRL, transformers and torch do themselves, and the checks before the first step.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
# These call TRL's trainers, and their time is not what is meant: of them only their own lines count.
AROUND = ("trainers.py", "stage.py", "run.py")


def rows(folder: Path) -> None:
    """Drawn scenes, and sft and rl rows of them."""
    if (folder / "rl").exists():
        return
    for words in (
        ["synth", folder / "world", "--scenes", "300", "--split", "test", "--seed", "1"],
        ["build-sft", "rexomni", folder / "sft", "--data", folder / "world", "--rows", "1000"],
        ["build-rl", "rexomni", folder / "rl", "--data", folder / "world", "--rows", "300"],
    ):
        subprocess.run([*PE, *map(str, words)], check=True, capture_output=True)


def of_pe(function: tuple[str, int, str]) -> str:
    """The file below pe/ that a function stands in; "" for all others."""
    path = function[0]
    return path.removeprefix(f"{ROOT}/pe/") if path.startswith(f"{ROOT}/pe/") else ""


def inside(profile: cProfile.Profile) -> Counter[str]:
    """Seconds in pe's functions by file, each call counted where pe was entered."""
    seconds: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        file = of_pe(function)
        if not file:
            continue
        if Path(file).name in AROUND and file.startswith("training/"):
            seconds[file] += own
            continue
        for caller, (_, _, _, whole) in callers.items():
            home = of_pe(caller)
            if not home or (Path(home).name in AROUND and home.startswith("training/")):
                seconds[file] += whole
    return seconds


def measure(settings: Any, only: str) -> dict[str, Any]:
    """Train one stage of `settings` under the profile."""
    from transformers import Trainer

    from pe.training import loading
    from pe.training.run import train

    loaded: list[float] = []
    load, whole = loading.Examples._load, Trainer.train
    profile = cProfile.Profile(time.thread_time)
    spent: list[float] = []

    def timed(self: Any, batch: list[int]) -> Any:
        since = time.thread_time()
        try:
            return load(self, batch)
        finally:
            loaded.append(time.thread_time() - since)

    def profiled(self: Any, *args: Any, **kwargs: Any) -> Any:
        since = time.process_time()
        profile.enable()
        try:
            return whole(self, *args, **kwargs)
        finally:
            profile.disable()
            spent.append(time.process_time() - since)

    loading.Examples._load, Trainer.train = timed, profiled  # type: ignore[method-assign]
    try:
        (result,) = train(settings, only)
    finally:
        loading.Examples._load, Trainer.train = load, whole  # type: ignore[method-assign]
    seconds = inside(profile)
    seconds["loading, in its thread"] = sum(loaded)
    steps = result.facts["steps"]
    parts = {name: round(1000 * value / steps, 2) for name, value in seconds.most_common(8) if value / steps > 5e-5}
    return {
        "stage": result.name,
        "steps": steps,
        "cpu_ms_a_step": round(1000 * sum(spent) / steps, 1),
        "pe_ms_a_step": round(1000 * sum(seconds.values()) / steps, 1),
        "share": round(sum(seconds.values()) / sum(spent), 4),
        "ms_a_step_by_file": parts,
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/train-overhead")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows(args.folder)

    import tempfile

    import torch

    from pe.training.settings import TrainSettings
    from tests import vlms

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        sft = {"kind": "sft", "data": [str(args.folder / "sft")], "per_device_train_batch_size": 48}
        grpo = {
            **{"kind": "grpo", "data": [str(args.folder / "rl")], "per_device_train_batch_size": 96},
            **{"num_generations": 8, "max_completion_length": 96},
        }
        model = vlms.qwen2_5_vl(Path(scratch) / "model", width=args.width)
        for stage in (sft, grpo):
            settings = TrainSettings.model_validate(
                {"model": str(model), "out": f"{scratch}/{stage['kind']}", "device": "cpu", "format": "rexomni"}
                | {"stages": [{**stage, "max_steps": args.steps, "learning_rate": 1e-3}]}
            )
            print(json.dumps(measure(settings, str(stage["kind"]))), flush=True)


if __name__ == "__main__":
    main()
