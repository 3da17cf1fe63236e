"""EasyR1: `prompt`, `answer`, `images`, one JSON line a row. https://github.com/hiyouga/EasyR1"""

from __future__ import annotations

from typing import Any

from pe.schemas.sample import Sample, dumps
from pe.shards.exports._base import Export, LeftOut, Table
from pe.shards.exports._files import JsonLines, write_image
from pe.shards.exports._rows import messages

__all__ = ["EasyR1"]


class EasyR1(Export):
    """A reward of EasyR1 sees the response and `answer` alone, so that `answer` is all that scores a response, as JSON.

    Its keys: verifier, params_json, ground_truth, weights_json, image [w, h], input [w, h]. Pictures are found below
    `image_dir`, this folder.
    """

    kinds = frozenset({"rl"})
    images = "images"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._file = JsonLines(self.out / f"{self.split}.jsonl")

    def add(self, sample: Sample, image: bytes) -> None:
        found = messages(sample)
        asked = [message["content"] for message in found if message["role"] != "system"]
        if len(asked) != 1:
            raise LeftOut("rows of several turns: it takes one prompt")
        if len(found) > 1:
            self.lost["system prompts"] += 1
        answer = {
            "verifier": sample.verifier.name,
            "params_json": sample.verifier.params_json,
            "ground_truth": sample.reward_model.ground_truth,
            "weights_json": sample.reward_model.weights_json,
            "image": [sample.width, sample.height],
            "input": [sample.input_width, sample.input_height],
        }
        path = f"images/{write_image(self.out / 'images', sample, image)}"
        self._file.add({"prompt": asked[0], "answer": dumps(answer), "images": [path]})

    def close(self) -> None:
        self._file.close()

    def tables(self) -> list[Table]:
        columns = {"prompt": "sc:Text", "answer": "sc:Text", "images": "sc:Text"}
        return [Table(f"{self.split}.jsonl", "application/jsonlines", columns)]
