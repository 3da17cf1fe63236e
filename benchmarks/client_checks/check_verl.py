"""verl's own RLHFDataset reads the rows: as many images as placeholders, the ground truth a string."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

from omegaconf import OmegaConf
from PIL import Image
from verl.utils.dataset.rl_dataset import RLHFDataset

files = [str(path) for path in sorted(Path(sys.argv[1], "data").glob("*.parquet"))]
config = OmegaConf.create(
    {
        "cache_dir": "cache",
        "prompt_key": "prompt",
        "image_key": "images",
        "max_prompt_length": 4096,
        "filter_overlong_prompts": False,
        "return_raw_chat": True,
        "truncation": "error",
    }
)
# Its messages need a processor to be there, and leave its work to the rollout.
data = RLHFDataset(data_files=files, tokenizer=None, config=config, processor=object())
assert len(data) == 7, len(data)
images = 0
for index in range(len(data)):
    row = data.dataframe[index]
    marks = sum(message["content"].count("<image>") for message in row["prompt"])
    assert marks == len(row["images"]) == 1
    assert all(isinstance(image, Image.Image) for image in row["images"])
    assert isinstance(row["reward_model"]["ground_truth"], str)
    assert json.loads(row["reward_model"]["ground_truth"])["objects"]
    item = data[index]
    assert item["index"] == index
    assert item["data_source"] == row["data_source"]
    parts = [part for message in item["raw_prompt"] for part in message["content"] if isinstance(part, dict)]
    images += sum(part["type"] == "image" for part in parts)
assert images == 7, images
print(json.dumps({"version": importlib.metadata.version("verl"), "rows": len(data), "images": images}))
