"""LLaMA-Factory: a ShareGPT-style JSON array with dataset_info.json. https://github.com/hiyouga/LLaMA-Factory"""

from __future__ import annotations

from typing import Any

from pe.schemas.sample import Sample, dumps
from pe.shards.exports._base import Export, Table
from pe.shards.exports._files import JsonArray, write_image
from pe.shards.exports._rows import messages

__all__ = ["LlamaFactory"]


class LlamaFactory(Export):
    """{"messages", "images"} in SPLIT.json, as dataset `pe_SPLIT`; the folder is its `dataset_dir`, and its media's."""

    kinds = frozenset({"sft"})
    images = "images"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._rows = JsonArray(self.out / f"{self.split}.json")

    def add(self, sample: Sample, image: bytes) -> None:
        row = {"messages": messages(sample)}
        name = write_image(self.out / "images", sample, image)
        self._rows.add({**row, "images": [f"images/{name}"]})

    def close(self) -> None:
        self._rows.close()
        info = {
            f"pe_{self.split}": {
                "file_name": f"{self.split}.json",
                "formatting": "sharegpt",
                "columns": {"messages": "messages", "images": "images"},
                "tags": {
                    "role_tag": "role",
                    "content_tag": "content",
                    "user_tag": "user",
                    "assistant_tag": "assistant",
                    "system_tag": "system",
                },
            }
        }
        (self.out / "dataset_info.json").write_text(dumps(info) + "\n", "utf-8")

    def tables(self) -> list[Table]:
        columns = {"messages": "sc:Text", "images": "sc:Text"}
        return [Table(f"{self.split}.json", "application/json", columns, path="$[*]")]
