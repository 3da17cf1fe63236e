"""ms-swift: one JSON line a row, pictures as files. https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html"""

from __future__ import annotations

from typing import Any

from pe.schemas.sample import Sample
from pe.shards.exports._base import Export, Table
from pe.shards.exports._files import JsonLines, write_image
from pe.shards.exports._rows import messages, scalars

__all__ = ["Swift"]


class Swift(Export):
    """{"messages", "images"}; an rl row ends with the question, and all else (`solution` ...) reaches its rewards.

    Answers stay as the format wrote them, so there is no `objects`, which ms-swift would rescale. Paths are relative to
    the folder: run there, or set ROOT_IMAGE_DIR to it.
    """

    kinds = frozenset({"sft", "rl"})
    images = "images"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._file = JsonLines(self.out / f"{self.split}.jsonl")

    def add(self, sample: Sample, image: bytes) -> None:
        row: dict[str, Any] = {"messages": messages(sample)}
        row["images"] = [f"images/{write_image(self.out / 'images', sample, image)}"]
        if sample.kind == "rl":
            row |= {"solution": sample.reward_model.ground_truth, **scalars(sample)}
        self._file.add(row)

    def close(self) -> None:
        self._file.close()

    def tables(self) -> list[Table]:
        return [Table(f"{self.split}.jsonl", "application/jsonlines", {"messages": "sc:Text", "images": "sc:Text"})]
