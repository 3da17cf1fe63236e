"""What the small base that ships reaches on fresh drawn scenes: questions answered, captions that are true.

python benchmarks/demo_base.py [--scenes 1000] [--model demo-base] [--out build/demo-base]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pe.engines.synthetic.looks import COLOURS
from pe.engines.synthetic.outlines import SHAPES
from pe.evaluation.metrics._caption_facts import claims
from pe.shards.read import read_records, shards_of

NAMES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
FIGURES = (
    ("box-f1-one-to-one", ("F1@.50", "precision@.50", "recall@.50", "F1@.75", "F1@mean")),
    ("off-target", ("a response",)),
    ("objects-a-response", ("objects", "truths")),
    ("rejection", ("wrong rejection", "hallucination")),
    ("duplicate-ratio", ("duplicates",)),
)


def pe(*words: object) -> str:
    """What a command prints; it has to end well."""
    command = [sys.executable, "-m", "pe", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def captions(labelled: Path, world: Path) -> dict[str, float]:
    """Of captions: the share whose every claim (a number of things of a colour and a shape) is true, and of claims."""
    truth = {}
    for shard in shards_of(world):
        for sample, _ in read_records(shard):
            things = json.loads(sample.provenance_json)["things"]
            truth[sample.sha256] = Counter(f"{thing['colour']} {thing['shape']}" for thing in things)
    true = total = right = said = named = there = 0
    for shard in shards_of(labelled):
        for sample, _ in read_records(shard):
            known = truth[sample.sha256]
            found, unread = claims(sample.caption, NAMES)
            good = [count == known[name] for name, count in found]
            nothing = not found and not known and "nothing" in sample.caption
            true += (all(good) and bool(found) and not unread) or nothing
            right, said, total = right + sum(good), said + len(good), total + 1
            named, there = named + len({name for name, _ in found} & known.keys()), there + len(known)
    return {"captions all true": true / total, "claims true": right / said, "kinds of things named": named / there}


def main() -> None:
    """Draw, ask, score, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--model", default="demo-base")
    parser.add_argument("--out", type=Path, default=Path("build/demo-base"))
    arguments = parser.parse_args()
    for split in ("test", "kept_out"):
        world, rows = arguments.out / f"{split}-world", arguments.out / f"{split}-rows"
        pe("synth", world, "--scenes", arguments.scenes, "--split", split, "--seed", 31)
        pe("build-rl", "demo", rows, "--data", world)
        words = ["--on", rows, "--scenes", world, "--max-new-tokens", 128, "--batch-size", 50, "--json"]
        result: dict[str, Any] = json.loads(
            pe("eval", arguments.model, *words, "--out", arguments.out / f"{split}-eval")
        )
        groups = result["groups"]["all"]
        for metric, figures in FIGURES:
            for figure in figures:
                value = groups.get(metric, {}).get(figure)
                if value is not None:
                    low, high = value.get("low"), value.get("high")
                    print(f"{split}: {metric} {figure}: {value['value']:.3f} ({low:.3f} to {high:.3f})", flush=True)
    labelled = arguments.out / "captions"
    words = ["--preset", "demo", "--phrases", "field:phrases", "--segmenter", "none"]
    pe("annotate", arguments.out / "test-world", labelled, *words, "--captioner-model", arguments.model)
    for name, value in captions(labelled, arguments.out / "test-world").items():
        print(f"test: {name}: {value:.3f}", flush=True)


if __name__ == "__main__":
    main()
