"""TRL: `messages` and `images` for its SFT trainer, `prompt`, `images` and the reward's columns for GRPO.

https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pe.schemas.sample import Sample
from pe.shards.exports._files import image_name
from pe.shards.exports._parquet import IMAGE, ParquetExport, image_cell
from pe.shards.exports._rows import MESSAGES, SCALARS, messages, scalars, without_mark

__all__ = ["Trl"]


class Trl(ParquetExport):
    """Conversational rows. The text has no image mark: TRL puts the image before the first user's text itself.

    Every column but the prompt and the images reaches a GRPO reward function as a list.
    """

    kinds = frozenset({"sft", "rl"})

    def columns(self, sample: Sample) -> list[tuple[str, pa.DataType]]:
        return [("prompt" if sample.kind == "rl" else "messages", MESSAGES), ("images", pa.list_(IMAGE)), *SCALARS]

    def row(self, sample: Sample, image: bytes) -> dict[str, Any]:
        return {
            "prompt" if sample.kind == "rl" else "messages": without_mark(messages(sample)),
            "images": [image_cell(image, image_name(sample))],
            **scalars(sample),
        }
