"""A copy of rows with other coordinates, another order or a thought: what the further arms compare with.

    python examples/arms/changed.py unordered SFT OUT
    python examples/arms/changed.py moved SFT OUT
    python examples/arms/changed.py thought SFT OUT
    python examples/arms/changed.py shuffled RL OUT

`unordered`: the vertices of every polygon stand in no order, as in SimpleSeg's ablation. `moved`: each coordinate is up
to three of its thousand bins off, as a detector's boxes end between pixels. `thought`: the answer begins with how many
there are of each phrase, in think tags. `shuffled`: the true objects stand in no order, as annotations on the web do;
the question stays. SFT and RL are output folders of `pe build-sft` and `pe build-rl` in format `rexomni`, OUT becomes
one; rows keep their keys.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pe.engines.outcomes import outcome
from pe.engines.settings import config_hash
from pe.errors import PeError
from pe.evaluation.mining.rows import MinedSource
from pe.schemas.sample import Sample, dumps
from pe.shards.output import Output
from pe.shards.plan import extend_plan
from pe.shards.read import read_row, shards_of
from pe.shards.sidecar import Row
from pe.shards.writer import ShardWriter

BOX = re.compile(r"(?<=<\|box_start\|>)[^|]*(?=<\|box_end\|>)")
POINT = re.compile(r"<\d+><\d+>")
RUN = re.compile(r"<\|object_ref_start\|>(.*?)<\|object_ref_end\|><\|box_start\|>(.*?)<\|box_end\|>")
NUMBER = re.compile(r"<(\d+)>")
FARTHEST = 3


def unordered(inside: str, rng: random.Random) -> str:
    """The points of a polygon in another order."""
    points = POINT.findall(inside)
    rng.shuffle(points)
    return "".join(points) or inside


def moved(inside: str, rng: random.Random) -> str:
    """Each coordinate at most FARTHEST bins off."""
    return NUMBER.sub(lambda found: f"<{min(999, max(0, int(found[1]) + rng.randint(-FARTHEST, FARTHEST)))}>", inside)


def in_boxes(change: Callable[[str, random.Random], str], sample: Sample) -> Sample:
    """`sample` with what stands in the boxes of its answer changed, the same at every call."""
    rng = random.Random(sample.key)
    return answering(sample, BOX.sub(lambda found: change(found[0], rng), sample.gold_text))


def thought(sample: Sample) -> Sample:
    """`sample` with the numbers of what was asked for before its answer."""
    runs = RUN.findall(sample.gold_text)
    counts = ", ".join(f"{phrase} {0 if boxes == 'None' else boxes.count(',') + 1}" for phrase, boxes in runs)
    return answering(sample, f"<think>{counts}</think>{sample.gold_text}")


def answering(sample: Sample, gold: str) -> Sample:
    """`sample` with another answer."""
    messages = json.loads(sample.messages_json)
    messages[-1]["content"] = gold
    return sample.model_copy(update={"gold_text": gold, "messages_json": dumps(messages)})


def shuffled(sample: Sample) -> Sample:
    """`sample` with its truths in another order; the ceilings, which hold for the old order, are left out."""
    truth = json.loads(sample.reward_model.ground_truth)
    random.Random(sample.key).shuffle(truth["objects"])
    reward = sample.reward_model.model_copy(update={"ground_truth": dumps(truth)})
    return sample.model_copy(update={"reward_model": reward, "ceilings_json": "[]"})


CHANGES: dict[str, Callable[[Sample], Sample]] = {
    "unordered": partial(in_boxes, unordered),
    "moved": partial(in_boxes, moved),
    "thought": thought,
    "shuffled": shuffled,
}


def main() -> None:
    """One copy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("change", choices=CHANGES)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        copy(arguments.change, arguments.rows, arguments.out)
    except PeError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")


def copy(change: str, rows: Path, out: Path) -> None:
    """Write each row of `rows` into `out`, changed."""
    tars = shards_of(rows)
    output = Output(out).create()
    config = {change: [tar.name for tar in tars]}
    kept = ({"status": "written", "reason": "", "detail": "", "measured": {}} for _ in iter(int, 1))
    plan = extend_plan(output, MinedSource(tars, lambda: kept), config, config_hash(config), shard_inputs=1000)
    for name in plan.names:
        work = plan.slice(name)
        with ShardWriter(output, name) as writer:
            outcomes = []
            for item in work.inputs:
                sample, image = read_row(tars[item.entry.at["tar"]], Row(*item.entry.at["row"]))
                writer.add(CHANGES[change](sample), image)
                outcomes.append(outcome(item, "written", key=sample.key))
            writer.commit(
                ledger=outcomes,
                quarantine=[],
                config_hash=config_hash(config),
                input_hash=work.input_hash,
            )


if __name__ == "__main__":
    main()
