"""Hugging Face `datasets`: parquet with Image columns, row groups of 100. https://huggingface.co/docs/datasets"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from pe.schemas.sample import Sample
from pe.shards.exports._files import image_name
from pe.shards.exports._parquet import IMAGE, ParquetExport, image_cell
from pe.shards.exports._rows import MESSAGES, SCALARS, messages, scalars

__all__ = ["Hf"]

_RECORD = ("key", "source", "url", "license", "data_source", "caption")
_OBJECTS = pa.struct(
    [
        ("bbox", pa.list_(pa.list_(pa.float64()))),
        ("categories", pa.list_(pa.string())),
        ("score", pa.list_(pa.float64())),
    ]
)


class Hf(ParquetExport):
    """Annotated: image, the record's fields, objects {bbox [x, y, width, height], categories, score}, negatives, and
    `objects_json` with all of each object (masks, rings, text). Rows: images, messages, and every scalar column.
    """

    kinds = frozenset({"annotated", "sft", "rl"})

    def columns(self, sample: Sample) -> list[tuple[str, pa.DataType]]:
        if sample.kind != "annotated":
            return [("images", pa.list_(IMAGE)), ("messages", MESSAGES), *SCALARS]
        return [
            ("image", IMAGE),
            *((name, pa.string()) for name in _RECORD),
            ("width", pa.int64()),
            ("height", pa.int64()),
            ("objects", _OBJECTS),
            ("negatives", pa.list_(pa.string())),
            ("objects_json", pa.string()),
            ("provenance_json", pa.string()),
        ]

    def row(self, sample: Sample, image: bytes) -> dict[str, Any]:
        cell = image_cell(image, image_name(sample))
        if sample.kind != "annotated":
            return {"images": [cell], "messages": messages(sample), **scalars(sample)}
        objects = sample.objects()
        return {
            "image": cell,
            **{name: getattr(sample, name) for name in _RECORD},
            "width": sample.width,
            "height": sample.height,
            "objects": {
                "bbox": [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in (item.bbox for item in objects)],
                "categories": [item.phrase for item in objects],
                "score": [item.score for item in objects],
            },
            "negatives": json.loads(sample.negatives_json),
            "objects_json": sample.objects_json,
            "provenance_json": sample.provenance_json,
        }
