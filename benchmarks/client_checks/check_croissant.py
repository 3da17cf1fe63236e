"""mlcroissant validates every croissant.json and reads the records that it describes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path

import mlcroissant

counts = {}
for word in sys.argv[1:]:
    os.chdir(word)
    data = mlcroissant.Dataset(jsonld="croissant.json")
    for record_set in data.metadata.record_sets:
        name = f"{Path(word).name}/{record_set.id}"
        counts[name] = sum(1 for _ in data.records(record_set.id))
        assert counts[name], name
print(json.dumps({"version": importlib.metadata.version("mlcroissant"), "records": counts}))
