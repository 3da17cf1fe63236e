"""The quick ways in which the small base is trained are those in which the library runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

HOME = Path(__file__).parents[2] / "examples" / "demo_models"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Any, Any]]:
    """The modules of the example, a model with random weights and its processor."""
    sys.path.insert(0, str(HOME))
    try:
        import base
        import base_model

        processor = base_model.processor(tmp_path_factory.mktemp("processor"))
        torch.manual_seed(0)
        yield base, base_model, base_model.build(processor.tokenizer).eval(), processor
    finally:
        sys.path.remove(str(HOME))


def scene(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)


def test_a_batch_of_pictures_is_seen_as_the_library_sees_each(made: tuple[Any, Any, Any, Any]) -> None:
    _, base_model, model, processor = made
    pixels = np.stack([scene(np.random.default_rng(seed)) for seed in range(3)])
    inputs = processor.image_processor(images=[Image.fromarray(one) for one in pixels], return_tensors="pt")
    flat = base_model.patches(pixels)
    assert torch.allclose(flat.reshape(-1, flat.shape[-1]), inputs["pixel_values"], atol=1e-5)
    with torch.no_grad():
        library = model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])
        _, cells = base_model.see(model.model.visual, flat)
    assert torch.allclose(cells.reshape(-1, cells.shape[-1]), library.pooler_output, atol=1e-5)


def test_questions_that_share_a_picture_are_read_as_if_each_stood_alone(made: tuple[Any, Any, Any, Any]) -> None:
    base, base_model, model, processor = made
    pixels = scene(np.random.default_rng(7))
    asked = [
        base.Asked("Detect red ring.", "<|box_start|><12><34><56><78><|box_end|>", [(14, (1.0, 2.0, 3.0, 4.0))]),
        base.Asked("Describe the image.", "A red ring.", []),
    ]
    packed = base.pack(processor.tokenizer, [asked], [True])
    assert [processor.tokenizer.decode(packed.ids[row, place]) for row, place in packed.phrases.tolist()] == [
        " ring",
        "<|box_start|>",
    ]
    with torch.no_grad():
        _, cells = base_model.see(model.model.visual, base_model.patches(pixels[None]))
        hidden = base.read(model, packed, cells)[0]
        shared = (hidden @ model.get_input_embeddings().weight.T)[0]
    at = 0
    for one in asked:
        text = base.SYSTEM + "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>"
        text += one.question + base.ASK + one.answer + base.END
        inputs = processor(text=[text], images=[Image.fromarray(pixels)], return_tensors="pt")
        with torch.no_grad():
            alone = model(**inputs).logits[0]
        answer = processor.tokenizer(one.answer + base.END)["input_ids"]
        places = (packed.wanted[0] >= 0).nonzero()[at : at + len(answer), 0]
        at += len(answer)
        assert packed.wanted[0, places].tolist() == answer
        assert torch.allclose(shared[places], alone[-len(answer) - 1 : -1], atol=1e-4)


def test_marks_of_an_answer_are_tokens_that_decoding_keeps(made: tuple[Any, Any, Any, Any]) -> None:
    tokenizer = made[3].tokenizer
    text = "<|object_ref_start|>red ring<|object_ref_end|><|box_start|><0><999><1><500><|box_end|>"
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == 10
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
