"""Hugging Face imagefolder: pictures with metadata.jsonl. https://huggingface.co/docs/datasets/image_dataset#imagefolder"""

from __future__ import annotations

import json
from typing import Any

from pe.schemas.sample import Sample
from pe.shards.exports._base import Export, Table
from pe.shards.exports._files import JsonLines, write_image

__all__ = ["ImageFolder"]


class ImageFolder(Export):
    """SPLIT/KEY.jpg and SPLIT/metadata.jsonl: file_name, caption, objects {bbox [x, y, width, height], categories}."""

    kinds = frozenset({"annotated"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._folder = self.out / self.split
        self.hub = f"{self.split}/**"
        self.images = self.split
        self._file = JsonLines(self._folder / "metadata.jsonl")

    def add(self, sample: Sample, image: bytes) -> None:
        objects = sample.objects()
        boxes = [item.bbox for item in objects]
        row = {
            "file_name": write_image(self._folder, sample, image),
            "caption": sample.caption,
            "objects": {
                "bbox": [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in boxes],
                "categories": [item.phrase for item in objects],
            },
        }
        self._file.add(row)
        self.lost["masks and rings"] += sum(item.mask is not None or item.rings is not None for item in objects)
        self.lost["scores"] += sum(item.score != 1.0 for item in objects)
        self.lost["texts read"] += sum(item.text is not None for item in objects)
        self.lost["negatives"] += len(json.loads(sample.negatives_json))
        self.lost["referring expressions"] += len(json.loads(sample.provenance_json).get("expressions", ()))

    def close(self) -> None:
        self._file.close()

    def tables(self) -> list[Table]:
        columns = {"file_name": "sc:Text", "caption": "sc:Text"}
        return [Table(f"{self.split}/metadata.jsonl", "application/jsonlines", columns)]
