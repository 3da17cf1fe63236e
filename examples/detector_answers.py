"""What a detector would have answered: the boxes of labelled pictures, as responses to rl rows in thousandths.

    python examples/detector_answers.py rows/ labelled/ answers.jsonl 0.25

`rows` are of the format qwen3-vl, `labelled` is an output folder of `pe annotate` on the same pictures. Boxes of a
lower score, or of phrases that a row does not ask for, are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pe.errors import PeError
from pe.shards.read import read_shard, shards_of
from pe.verifiers import read_truth


def main(rows: Path, labelled: Path, out: Path, least: float) -> None:
    """Write a line for each row."""
    found = {sample.sha256: sample.objects() for tar in shards_of(labelled) for sample, _ in read_shard(tar)}
    with out.open("w") as stream:
        for tar in shards_of(rows):
            for sample, _ in read_shard(tar):
                asked = read_truth(sample.reward_model.ground_truth).phrases
                sides = (sample.width, sample.height) * 2
                boxes = [
                    {
                        "bbox_2d": [round(value * 1000 / side) for value, side in zip(item.bbox, sides, strict=True)],
                        "label": item.phrase,
                        "score": item.score,
                    }
                    for item in found.get(sample.sha256, [])
                    if item.score >= least and item.phrase in asked
                ]
                stream.write(json.dumps({"key": sample.key, "response": json.dumps(boxes)}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=Path)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("least", type=float, help="the least score of a box")
    arguments = parser.parse_args()
    try:
        main(arguments.rows, arguments.labelled, arguments.out, arguments.least)
    except PeError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
