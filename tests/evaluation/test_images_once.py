"""A picture that rows share is encoded once, and nothing that a model computes or learns changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pe.evaluation.images_once import encode_each_once
from pe.evaluation.vlm import load_vlm
from tests import vlms

torch = pytest.importorskip("torch")

PICTURES = ("red", "red", "blue", "red", "gradient", "blue")


def picture(name: str) -> Image.Image:
    return Image.linear_gradient("L").convert("RGB") if name == "gradient" else Image.new("RGB", (64, 48), name)


def batch(processor: Any) -> Any:
    questions = ["Where is it? " * (1 + row % 3) for row in range(len(PICTURES))]
    messages = [
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}] for question in questions
    ]
    texts = [processor.apply_chat_template(message, add_generation_prompt=True) for message in messages]
    return processor(text=texts, images=[picture(name) for name in PICTURES], padding=True, return_tensors="pt")


def results(model: Any, inputs: Any) -> tuple[Any, dict[str, Any]]:
    model.zero_grad()
    logits = model(**inputs).logits
    logits.float().log_softmax(-1)[..., 7].sum().backward()
    slopes = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    return logits.detach(), slopes


@pytest.mark.parametrize("make", [vlms.qwen2_5_vl, vlms.qwen3_vl])
def test_each_picture_is_encoded_once(make: Callable[[Path], Path], tmp_path: Path) -> None:
    import transformers

    folder = make(tmp_path)
    vlm = load_vlm(str(folder), "cpu")
    plain = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    seen: list[int] = []
    vlm.model.model.visual.register_forward_pre_hook(
        lambda module, words, options: seen.append(len(options["grid_thw"])), with_kwargs=True
    )
    inputs = batch(vlm.processor)
    assert len(inputs["image_grid_thw"]) == len(PICTURES)
    logits, slopes = results(vlm.model, inputs)
    wanted, wanted_slopes = results(plain, inputs)
    assert seen == [3]
    torch.testing.assert_close(logits, wanted, rtol=1e-4, atol=1e-5)
    assert slopes.keys() == wanted_slopes.keys()
    assert any("visual" in name for name in slopes)
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, wanted_slopes[name], rtol=1e-3, atol=1e-4, msg=name)
    written = vlm.model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert torch.equal(written, plain.generate(**inputs, max_new_tokens=4, do_sample=False))
    copied = copy.deepcopy(vlm.model.model)
    assert copied.get_image_features.__self__ is copied


def test_a_model_of_another_form_stays_as_it_is(tmp_path: Path) -> None:
    import transformers

    model = transformers.AutoModelForImageTextToText.from_pretrained(vlms.smolvlm(tmp_path))
    before = [vars(module).get("get_image_features") for module in model.modules()]
    encode_each_once(model)
    assert [vars(module).get("get_image_features") for module in model.modules()] == before
