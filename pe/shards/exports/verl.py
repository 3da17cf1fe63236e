"""verl: parquet rows for its RLHFDataset (rl) and for its SFT dataset (sft). https://github.com/verl-project/verl"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pe.schemas.sample import Sample
from pe.shards.exports._files import image_name
from pe.shards.exports._parquet import IMAGE, ParquetExport, image_cell
from pe.shards.exports._rows import MESSAGES, messages

__all__ = ["Verl"]

_EXTRA = {
    "split": pa.string(),
    "index": pa.int64(),
    "key": pa.string(),
    "verifier": pa.string(),
    "params_json": pa.string(),
    "weights_json": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "input_width": pa.int64(),
    "input_height": pa.int64(),
    "gold_text": pa.string(),
    "ceilings_json": pa.string(),
    "token_count": pa.int64(),
    "source": pa.string(),
    "url": pa.string(),
    "license": pa.string(),
}


class Verl(ParquetExport):
    """data_source, prompt, images, ability, reward_model {style, ground_truth} and extra_info.

    `ground_truth` is the JSON string of the record, in pixels of the stored image; extra_info has all else that scores
    a response. Of an sft row the whole conversation is `messages`.
    """

    kinds = frozenset({"sft", "rl"})
    _index = 0

    def columns(self, sample: Sample) -> list[tuple[str, pa.DataType]]:
        return [
            ("data_source", pa.string()),
            ("prompt" if sample.kind == "rl" else "messages", MESSAGES),
            ("images", pa.list_(IMAGE)),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            ("extra_info", pa.struct(list(_EXTRA.items()))),
        ]

    def row(self, sample: Sample, image: bytes) -> dict[str, Any]:
        found = messages(sample)
        extra = {name: getattr(sample, name) for name in _EXTRA if name in Sample.model_fields}
        extra |= {
            "split": self.split,
            "index": self._index,
            "verifier": sample.verifier.name,
            "params_json": sample.verifier.params_json,
            "weights_json": sample.reward_model.weights_json,
        }
        self._index += 1
        return {
            "data_source": sample.data_source,
            "prompt" if sample.kind == "rl" else "messages": found,
            "images": [image_cell(image, image_name(sample))],
            "ability": sample.ability,
            "reward_model": {
                "style": sample.reward_model.style,
                "ground_truth": sample.reward_model.ground_truth,
            },
            "extra_info": extra,
        }
