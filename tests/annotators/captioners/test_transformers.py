from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe.annotators.base import AdapterSettings, Caption, Instance
from pe.annotators.captioners.transformers import Transformers
from pe.errors import InputError, ModelError, SampleError
from pe.shards.pictures import Picture

torch = pytest.importorskip("torch")


def picture(seed: int = 0, size: tuple[int, int] = (60, 50)) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Picture(Image.fromarray(pixels), b"", "PNG", *size, "", "", "")


def captioner(folder: Path, **more: Any) -> Transformers:
    return Transformers(AdapterSettings(model=str(folder), **({"max_tokens": 16} | more)))


def test_greedy_is_what_generate_gives(tiny_vlm: Path) -> None:
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    processor = AutoProcessor.from_pretrained(tiny_vlm)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(tiny_vlm)
    content = [{"type": "image", "image": picture().image}, {"type": "text", "text": "What?"}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=16)[0, inputs["input_ids"].shape[1] :]
    (result,) = captioner(tiny_vlm, prompt="What?").caption([picture()], [[]])
    assert isinstance(result, Caption)
    assert result.text == processor.decode(tokens, skip_special_tokens=True).strip()


def test_a_caption_does_not_depend_on_its_batch(tiny_vlm: Path) -> None:
    pictures = [picture(0), picture(1, (90, 50)), picture(2), picture(3), picture(4, (90, 50))]
    found = [
        [Instance("dog", 1.0, (4.0, 4.0, 40.0, 30.0))],
        [],
        [],
        [Instance("cat", 1.0, (0.0, 0.0, 9.0, 9.0))] * 2,
        [],
    ]
    alone = captioner(tiny_vlm, batch_size=1, region_captions=True).caption(pictures, found)
    together = captioner(tiny_vlm, batch_size=4, region_captions=True)
    shapes: list[int] = []
    original = together._model.generate

    def counted(**inputs: Any) -> Any:
        shapes.append(inputs["input_ids"].shape[0])
        return original(**inputs)

    together._model.generate = counted
    assert together.caption(pictures, found) == alone
    assert max(shapes) == 3
    assert sum(shapes) == 8
    assert [len(item.regions) for item in alone if isinstance(item, Caption)] == [1, 0, 0, 2, 0]
    assert len({item.text for item in alone if isinstance(item, Caption)}) == 5


def test_pictures_the_processor_refuses(tiny_vlm: Path) -> None:
    bad, good = captioner(tiny_vlm).caption([picture(size=(900, 2)), picture()], [[], []])
    assert isinstance(bad, SampleError)
    assert bad.reason == "caption"
    assert isinstance(good, Caption)


def test_dtype_holds(tiny_vlm: Path) -> None:
    half = captioner(tiny_vlm, dtype="bfloat16")
    assert half._model.dtype == torch.bfloat16
    assert isinstance(half.caption([picture()], [[]])[0], Caption)


def test_info_has_no_path(tiny_vlm: Path) -> None:
    info = captioner(tiny_vlm).info
    assert (info.adapter, info.model, len(info.sha256)) == ("transformers", "tiny-vlm", 64)


def test_models_that_cannot_caption(tiny_vlm: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--captioner-model"):
        Transformers(AdapterSettings())
    mute = tmp_path / "mute"
    shutil.copytree(tiny_vlm, mute)
    (mute / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="chat template"):
        captioner(mute)
    broken = tmp_path / "broken"
    shutil.copytree(tiny_vlm, broken)
    (broken / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="broken: "):
        captioner(broken)
