"""Energon's own indexer and loader read every sample; our dataset.yaml and split.yaml stay as they are."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

from megatron.energon import WorkerConfig, get_train_dataset
from megatron.energon.flavors import BaseWebdatasetFactory

counts = {}
for word in sys.argv[1:]:
    folder = Path(word)
    kept = {path.name: path.read_bytes() for path in (folder / ".nv-meta").glob("*.yaml")}
    tars = sorted(str(path.relative_to(folder)) for path in folder.glob("shards/*.tar"))
    BaseWebdatasetFactory.prepare_dataset(folder, tars, split_parts_patterns=[("train", "shards/.*")], workers=1)
    for name, data in kept.items():
        (folder / ".nv-meta" / name).write_bytes(data)
    config = WorkerConfig(rank=0, world_size=1, num_workers=0)
    data = get_train_dataset(
        word,
        worker_config=config,
        batch_size=None,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        repeat=False,
    )
    counts[folder.name] = sum(1 for _ in data)
assert set(counts.values()) == {6, 7}, counts
print(json.dumps({"version": importlib.metadata.version("megatron-energon"), "samples": counts}))
