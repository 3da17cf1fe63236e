"""LLaMA-Factory's own loader and converter take every row with its picture."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments

folder = sys.argv[1]
data_args = DataArguments(dataset="pe_train", dataset_dir=folder, media_dir=folder)
model_args = ModelArguments(model_name_or_path="none")
training_args = Seq2SeqTrainingArguments(output_dir="none")
(attributes,) = get_dataset_list(data_args.dataset, data_args.dataset_dir)
data = _load_single_dataset(attributes, model_args, data_args, training_args)
assert len(data) == 7, len(data)
for row in data:
    messages = [*row["_prompt"], *row["_response"]]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert row["_system"] == "You find things."
    assert sum(message["content"].count("<image>") for message in messages) == len(row["_images"]) == 1
    assert Path(row["_images"][0]).is_file()
print(json.dumps({"version": importlib.metadata.version("llamafactory"), "rows": len(data)}))
