"""Output folders of rl samples for tests, one question a sample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pe.schemas.sample import RewardModel, Sample, Verifier
from pe.shards.output import Output
from pe.shards.plan import extend_plan
from pe.shards.writer import ShardWriter
from tests.shards import factory

IMAGE = factory.picture(1, (100, 100))
BOX = (10.0, 10.0, 60.0, 60.0)
RIGHT = '[{"bbox_2d": [100, 100, 600, 600], "label": "cat"}]'
_PICTURES: dict[str, bytes] = {}
HALF = '[{"bbox_2d": [100, 100, 600, 350], "label": "cat"}]'


def rl(key: str, picture: int = 1, **changes: Any) -> Sample:
    """A sample that asks for one cat in thousandths, about picture number `picture`."""
    truth = json.dumps({"objects": [{"phrase": "cat", "bbox": BOX}]})
    changes = {
        "kind": "rl",
        "verifier": Verifier(name="detection", params_json='{"format": "qwen3-vl"}'),
        "reward_model": RewardModel(ground_truth=truth),
        "data_source": "coco/grounding",
    } | changes
    image = factory.picture(picture, (100, 100))
    sample = factory.sample(key, image)
    _PICTURES[sample.sha256] = image
    return sample.model_copy(update=changes)


def write(root: Path, shards: Sequence[Sequence[Sample]]) -> Path:
    """An output folder with `shards`; a sample's key is kept as it is."""
    output = Output(root)
    source = factory.BytesSource({f"{number}.jpg": IMAGE + bytes([number]) for number in range(len(shards))})
    plan = extend_plan(output, source, factory.CONFIG, factory.CONFIG_HASH, shard_inputs=1)
    for name, samples in zip(plan.names, shards, strict=True):
        with ShardWriter(output, name) as writer:
            for sample in samples:
                writer.add(sample, _PICTURES.get(sample.sha256, IMAGE))
            writer.commit(
                ledger=[{"id": sample.key, "status": "written", "key": sample.key} for sample in samples],
                quarantine=[],
                config_hash=factory.CONFIG_HASH,
                input_hash=plan.slice(name).input_hash,
            )
    return root


def lines(path: Path, *rows: Any) -> Path:
    """A file with a line a row, as it is where it is a text."""
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path
