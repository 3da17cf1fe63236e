"""A copy of sft rows in which the vertices of every polygon stand in no order: what SimpleSeg's ablation compares with.

    python examples/arms/unordered.py SFT OUT

SFT is an output folder of `pe build-sft` in format `rexomni`, OUT becomes one; rows keep their keys.
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

from pe.engines.outcomes import outcome
from pe.engines.settings import config_hash
from pe.evaluation.mining.rows import MinedSource
from pe.schemas.sample import Sample, dumps
from pe.shards.output import Output
from pe.shards.plan import extend_plan
from pe.shards.read import read_row, shards_of
from pe.shards.sidecar import Row
from pe.shards.writer import ShardWriter

BOX = re.compile(r"(?<=<\|box_start\|>)[^|]*(?=<\|box_end\|>)")
POINT = re.compile(r"<\d+><\d+>")


def shuffled(sample: Sample) -> Sample:
    """`sample` with the points of each polygon in another order, the same at every call."""
    rng = random.Random(sample.key)

    def polygon(found: re.Match[str]) -> str:
        points = POINT.findall(found[0])
        rng.shuffle(points)
        return "".join(points) or found[0]

    gold = BOX.sub(polygon, sample.gold_text)
    messages = json.loads(sample.messages_json)
    messages[-1]["content"] = gold
    return sample.model_copy(update={"gold_text": gold, "messages_json": dumps(messages)})


def main() -> None:
    """Write each row of the first folder into the second, shuffled."""
    tars = shards_of(Path(sys.argv[1]))
    output = Output(Path(sys.argv[2])).create()
    config = {"unordered": [tar.name for tar in tars]}
    kept = ({"status": "written", "reason": "", "detail": "", "measured": {}} for _ in iter(int, 1))
    plan = extend_plan(output, MinedSource(tars, lambda: kept), config, config_hash(config), shard_inputs=1000)
    for name in plan.names:
        work = plan.slice(name)
        with ShardWriter(output, name) as writer:
            outcomes = []
            for item in work.inputs:
                sample, image = read_row(tars[item.entry.at["tar"]], Row(*item.entry.at["row"]))
                writer.add(shuffled(sample), image)
                outcomes.append(outcome(item, "written", key=sample.key))
            writer.commit(
                ledger=outcomes,
                quarantine=[],
                config_hash=config_hash(config),
                input_hash=work.input_hash,
            )


if __name__ == "__main__":
    main()
