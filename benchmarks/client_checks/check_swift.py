"""ms-swift's own loader keeps every row with its picture and its roles."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path

counts = {}
for word in sys.argv[1:]:
    os.chdir(word)
    try:
        from swift.dataset import load_dataset
    except ImportError:  # before ms-swift 4
        from swift.llm import load_dataset
    data, _ = load_dataset([str(Path(word, "train.jsonl"))], split_dataset_ratio=0, strict=True)
    assert len(data) == 7, len(data)
    for row in data:
        text = "".join(message["content"] for message in row["messages"])
        assert text.count("<image>") == len(row["images"]) == 1
        image = row["images"][0]
        path = image["path"] if isinstance(image, dict) else image
        assert Path(path).is_file() or (isinstance(image, dict) and image["bytes"])
    counts[Path(word).name] = len(data)
print(json.dumps({"version": importlib.metadata.version("ms-swift"), "rows": counts}))
