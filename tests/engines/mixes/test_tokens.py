"""Tokens of rows are those that the model's own processor makes, pictures of odd sizes included."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pe.engines.mixes.build import build
from pe.engines.mixes.filters._base import build_row_filters
from pe.engines.mixes.rows import Dropped, RowMaker
from pe.engines.mixes.settings import MixSettings
from pe.engines.mixes.tokens import Patches, TokenCounter
from pe.engines.tasks import Exchange
from pe.errors import InputError
from pe.formats import Answer, Item
from pe.registry import load
from pe.shards.read import read_shard, shards_of
from tests import vlms
from tests.engines.mixes.test_foreign import Quiet
from tests.shards import factory
from tests.shards.exports import rows

transformers = pytest.importorskip("transformers")
pytest.importorskip("torchvision")

KINDS = {
    "qwen2.5-vl": {"patch_size": 14, "merge_size": 2, "min_pixels": 3136, "max_pixels": 12845056},
    "qwen2.5-vl, few pixels": {"patch_size": 14, "merge_size": 2, "min_pixels": 50176, "max_pixels": 200704},
    "qwen3-vl": {"patch_size": 16, "merge_size": 2, "size": {"shortest_edge": 65536, "longest_edge": 16777216}},
    "tiny": {"patch_size": 8, "merge_size": 2, "size": {"shortest_edge": 2304, "longest_edge": 2304}},
    "by default": {},
}


def processor_of(kind: str) -> tuple[Any, Patches]:
    """The real image processor, and the rule read from what it saves."""
    processor = transformers.Qwen2VLImageProcessor(**KINDS[kind])
    patches = Patches.of(processor.to_dict())
    assert patches is not None
    return processor, patches


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(500, 375), (333, 251), (1, 60), (97, 13), (41, 42), (640, 427), (14, 14)])
def test_a_picture_has_the_tokens_that_the_processor_makes(kind: str, size: tuple[int, int]) -> None:
    processor, patches = processor_of(kind)
    made = processor(images=[Image.new("RGB", size)], return_tensors="pt")
    assert patches.count(size) == int(made["image_grid_thw"].prod()) // processor.merge_size**2
    _, tall, wide = made["image_grid_thw"][0].tolist()
    assert patches.size(size) == (wide * processor.patch_size, tall * processor.patch_size)


@settings(max_examples=300)
@given(kind=st.sampled_from(sorted(KINDS)), width=st.integers(1, 9000), height=st.integers(1, 9000))
def test_any_size_is_resized_as_the_processor_would(kind: str, width: int, height: int) -> None:
    processor, patches = processor_of(kind)
    if max(width, height) > 200 * min(width, height):
        with pytest.raises(InputError):
            patches.count((width, height))
        return
    assert patches.count((width, height)) == processor.get_number_of_image_patches(height, width) // 4


def test_a_row_is_as_long_as_its_conversation_without_the_templates_marks(tmp_path: Path) -> None:
    folder = vlms.qwen2_5_vl(tmp_path / "model", pixels=6400)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    shards = rows.annotated(tmp_path / "annotated")
    source = {"task": "detect", "data": str(shards), "format": "qwen2.5-vl"}
    build(
        MixSettings.model_validate(
            {"kind": "sft", "out": tmp_path / "out", "tokenizer": str(folder), "sources": [source]}
        ),
        Quiet(),
    )
    found = [pair for shard in shards_of(tmp_path / "out") for pair in read_shard(shard)]
    assert len(found) > 3
    pad = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    for sample, data in found:
        texts = [message["content"].removeprefix("<image>") for message in json.loads(sample.messages_json)]
        with Image.open(io.BytesIO(data)) as picture:
            text = "".join(texts) + "<|image_pad|>"
            ids = processor(text=[text], images=[picture.convert("RGB")])["input_ids"][0]
        assert sample.token_count == len(ids)
        made = sum(number == pad for number in ids)
        # What the model sees is the processor's own, and so are the pixels that the answer is written in.
        assert made == sample.input_width * sample.input_height // 16**2 == 30
        answer = load("formats", "qwen2.5-vl")().decode(
            sample.gold_text, (sample.width, sample.height), (sample.input_width, sample.input_height)
        )
        truth = json.loads(sample.reward_model.ground_truth)["objects"]
        if truth:
            boxes = np.array([item.bbox for item in answer.objects])
            assert np.abs(boxes - np.array([item["bbox"] for item in truth])).max() < 0.51


def test_a_folder_with_a_tokenizer_alone_counts_text(tmp_path: Path) -> None:
    vlms.tokenizer_of(vlms.QWEN_MARKS, "<|im_end|>", coordinates=False, spare=0).save_pretrained(tmp_path)
    counter = TokenCounter(str(tmp_path))
    assert counter.patches is None
    assert counter.count(["abc", "de"], (500, 375)) == 5


def test_a_picture_that_the_processor_refuses_is_left_out_by_name() -> None:
    counter = TokenCounter("")
    counter.patches = Patches(28, 56 * 56, 12845056)
    exchange = Exchange("Where?", Answer((Item("cup", bbox=(0.0, 0.0, 1.0, 1.0)),)), {}, "detection", "detection")
    sample = factory.sample("a", factory.picture(0, (3, 700)))
    form = load("formats", "qwen2.5-vl")()
    with pytest.raises(Dropped, match="not_seen"):
        RowMaker(form, "qwen2.5-vl", build_row_filters({}), counter).make(sample, exchange)
