from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe.errors import InputError, PeError
from pe.evaluation.generation.rows import Item
from pe.evaluation.generation.settings import GenerationSettings
from pe.evaluation.vlm import Vlm, load_vlm, media_tokens
from pe.schemas.sample import Verifier
from tests.evaluation.generation.servers import ask
from tests.evaluation.rollouts import IMAGE

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def vlm(tiny: Path) -> Vlm:
    return load_vlm(str(tiny))


def make(vlm: Vlm, items: list[Item], **settings: Any) -> list[dict[str, Any]]:
    from pe.evaluation.generation.local import LocalModel

    return LocalModel(vlm, GenerationSettings(**{"max_new_tokens": 12, "samples": 2, **settings})).answer(items)


def items(count: int, samples: int = 2) -> list[Item]:
    return [Item(ask(f"k{row}", "why " * row), IMAGE, number) for row in range(count) for number in range(samples)]


def test_a_line_an_answer_in_their_order(vlm: Vlm) -> None:
    lines = make(vlm, items(3))
    assert [(line["key"], line["sample"]) for line in lines] == [
        (f"k{row}", number) for row in range(3) for number in range(2)
    ]
    assert all(set(line) == {"key", "sample", "response", "tokens", "truncated"} for line in lines)
    assert len({line["response"] for line in lines}) == 6


def test_an_answer_is_the_same_whatever_shares_its_batch(vlm: Vlm) -> None:
    together = make(vlm, items(4))
    assert [make(vlm, [item])[0] for item in items(4)] == together
    assert make(vlm, items(4)[::-1], batch_size=3)[::-1] == together
    greedy = make(vlm, items(4, 1), samples=1)
    assert [make(vlm, [item], samples=1)[0] for item in items(4, 1)] == greedy


def saying(vlm: Vlm, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the model write `text`, whatever it is asked."""
    tokens = vlm.tokenizer(text, return_tensors="pt")["input_ids"]

    def generate(**given: Any) -> Any:
        prompt = given["input_ids"]
        assert prompt.shape[0] == 1
        return torch.cat([prompt, tokens], dim=1)

    monkeypatch.setattr(vlm.model, "generate", generate)


@pytest.mark.parametrize(
    ("made", "response", "tokens", "truncated"),
    [
        (
            "<|box_start|><12><999><|box_end|><|im_end|><|endoftext|><|endoftext|>",
            "<|box_start|><12><999><|box_end|>",
            5,
            False,
        ),
        ("a <12> , b<|im_start|>", "a <12> , b<|im_start|>", 8, True),
        ("<|im_end|>", "", 1, False),
        ("two  spaces .<|endoftext|>", "two  spaces .", 14, False),
    ],
)
def test_coordinates_and_marks_stay_and_the_end_goes(
    vlm: Vlm, monkeypatch: pytest.MonkeyPatch, made: str, response: str, tokens: int, truncated: bool
) -> None:
    saying(vlm, monkeypatch, made)
    (line,) = make(vlm, items(1, 1))
    assert (line["response"], line["tokens"], line["truncated"]) == (response, tokens, truncated)


def test_the_pictures_own_tokens_cannot_come_out(vlm: Vlm) -> None:
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    assert media_tokens(vlm) == sorted(vlm.tokenizer.convert_tokens_to_ids(names))
    head = vlm.model.get_output_embeddings()
    bias = torch.zeros(head.weight.shape[0])
    bias[media_tokens(vlm)] = 1000.0
    hook = head.register_forward_hook(lambda module, inputs, output: output + bias)
    try:
        lines = make(vlm, items(2)) + make(vlm, items(2, 1), samples=1)
    finally:
        hook.remove()
    assert not any(name in line["response"] for line in lines for name in names)


def test_nothing_of_the_checkpoints_own_settings_is_used(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make(vlm, items(2)) + make(vlm, items(2, 1), samples=1)
    for name, value in {"do_sample": True, "temperature": 0.01, "top_k": 1, "repetition_penalty": 9.0}.items():
        monkeypatch.setattr(vlm.model.generation_config, name, value)
    assert make(vlm, items(2)) + make(vlm, items(2, 1), samples=1) == before


def short_of_memory(vlm: Vlm, monkeypatch: pytest.MonkeyPatch, fits: Callable[[int], bool]) -> list[int]:
    """Let a batch run out of memory unless `fits`; the sizes that were tried."""
    tried: list[int] = []
    whole = vlm.model.generate

    def generate(**given: Any) -> Any:
        tried.append(len(given["input_ids"]))
        if not fits(tried[-1]):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(**given)

    monkeypatch.setattr(vlm.model, "generate", generate)
    return tried


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_too(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    from pe.evaluation.generation.local import LocalModel

    plain = make(vlm, items(8), batch_size=16)
    tried = short_of_memory(vlm, monkeypatch, lambda size: size <= 4)
    model = LocalModel(vlm, GenerationSettings(max_new_tokens=12, samples=2, batch_size=16))
    assert model.answer(items(8)) == plain
    assert tried == [16, 8, 4, 4, 8, 4, 4]
    model.answer(items(2))
    assert tried[7:] == [4]


def test_memory_for_no_answer_at_all_ends_it(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    short_of_memory(vlm, monkeypatch, lambda size: False)
    with pytest.raises(PeError, match="out of memory on a single answer"):
        make(vlm, items(2))


def picture(size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_a_picture_of_no_use_is_a_line_with_its_reason(vlm: Vlm) -> None:
    odd = [Item(ask("cut"), IMAGE[:300], 0), Item(ask("none"), b"", 0), Item(ask("thin"), picture((3000, 4)), 0)]
    good = items(2)
    lines = make(vlm, [good[0], *odd, *good[1:]])
    assert [line["key"] for line in lines] == ["k0", "cut", "none", "thin", "k0", "k1", "k1"]
    assert [line.get("error", "").partition(":")[0] for line in lines] == [
        "",
        "truncated",
        "empty",
        "refused",
        "",
        "",
        "",
    ]
    assert [line["response"] for line in lines[1:4]] == ["", "", ""]
    assert [line for line in lines if "error" not in line] == make(vlm, good)


def test_a_model_that_takes_no_picture_ends_it(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(**given: Any) -> Any:
        raise ValueError("Image features and image tokens do not match")

    thin = [Item(ask("thin"), picture((3000, 4)), 0)]
    assert "refused" in make(vlm, thin)[0]["error"]
    monkeypatch.setattr(vlm.model, "generate", generate)
    with pytest.raises(InputError, match=r"tiny answers nothing, .* \(refused: Image features"):
        make(vlm, items(2))


def test_pixels_of_another_size_than_the_model_sees_stop_it(vlm: Vlm) -> None:
    pixels = Verifier(name="detection", params_json='{"format": "qwen2.5-vl"}')
    with pytest.raises(InputError, match=r"seen as 112 x 112.*makes 48 x 48"):
        make(vlm, [Item(ask("k", verifier=pixels), IMAGE, 0)])
