"""Megatron-Energon: the shards as they are, with `.nv-meta`. https://nvidia.github.io/Megatron-Energon/basic/data_prep.html"""

from __future__ import annotations

from typing import Any

import yaml

from pe.schemas.sample import Sample, dumps
from pe.shards.exports._tars import TarExport

__all__ = ["Energon"]

_MODULE = "megatron.energon"


class Energon(TarExport):
    """shards/*.tar, .nv-meta/dataset.yaml, split.yaml and .info.json.

    Annotated shards are captioning samples; rows are crude ones, for a cooker that reads `messages_json`. The indices
    (.tar.idx, index.sqlite) belong to energon's version: `energon prepare` makes them.
    """

    files = "shards/*.tar"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._kind = ""

    def place(self, number: int) -> str:
        return f"shards/{number:06d}.tar"

    def add(self, sample: Sample, image: bytes) -> None:
        self._kind = sample.kind

    def close(self) -> None:
        folder = self.out / ".nv-meta"
        folder.mkdir()
        dataset: dict[str, Any] = {"__module__": _MODULE, "__class__": "CrudeWebdataset"}
        if self._kind == "annotated":
            dataset = {
                "sample_type": {"__module__": _MODULE, "__class__": "CaptioningSample"},
                "field_map": {"image": "jpg", "caption": "json[caption]"},
            }
        parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        parts[self.split] = list(self.counts)
        for name, value in (("dataset", dataset), ("split", {"split_parts": parts, "exclude": []})):
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(value, sort_keys=False), "utf-8")
        info = {"energon_version": None, "shard_counts": self.counts}
        (folder / ".info.json").write_text(dumps(info) + "\n", "utf-8")
