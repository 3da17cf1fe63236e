"""Energon's own indexer and loader read every sample; our dataset.yaml and split.yaml stay as they are."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from megatron.energon import (
    CaptioningSample,
    Cooker,
    DefaultTaskEncoder,
    WorkerConfig,
    basic_sample_keys,
    get_loader,
    get_train_dataset,
    stateless,
)
from megatron.energon.flavors import BaseWebdatasetFactory


@stateless
def cook(row: dict[str, Any]) -> CaptioningSample:
    """A crude row as its picture and the text of its messages."""
    record = row["json"]
    messages = json.loads(record["messages_json"])
    assert sum(message["content"].count("<image>") for message in messages) == 1
    assert tuple(row["jpg"].shape[-2:]) == (record["height"], record["width"])
    text = "".join(message["content"] for message in messages)
    return CaptioningSample(**basic_sample_keys(row), image=row["jpg"], caption=text)


class Rows(DefaultTaskEncoder):
    """What a trainer has for crude rows."""

    cookers = (Cooker(cook),)


counts = {}
for word in sys.argv[1:]:
    folder = Path(word)
    kept = {path.name: path.read_bytes() for path in (folder / ".nv-meta").glob("*.yaml")}
    tars = sorted(str(path.relative_to(folder)) for path in folder.glob("shards/*.tar"))
    BaseWebdatasetFactory.prepare_dataset(folder, tars, split_parts_patterns=[("train", "shards/.*")], workers=1)
    for name, data in kept.items():
        (folder / ".nv-meta" / name).write_bytes(data)
    data = get_train_dataset(
        word,
        worker_config=WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=None,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        repeat=False,
        task_encoder=Rows(),
    )
    found = list(get_loader(data))
    assert all(sample.image.ndim == 3 and isinstance(sample.caption, str) for sample in found)
    counts[folder.name] = len(found)
assert counts == {"energon-annotated": 6, "energon-rl": 7}, counts
print(json.dumps({"version": importlib.metadata.version("megatron-energon"), "samples": counts}))
