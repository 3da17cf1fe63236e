from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pe.errors import InputError, ModelError, SampleError
from pe.evaluation.vlm import Vlm, check_seen, load_vlm, messages_of, seen_size
from pe.schemas.sample import Verifier
from tests.annotators.captioners.tiny_models import vlm
from tests.evaluation.rollouts import rl

pytest.importorskip("transformers")

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<image>\nWhere is the cat?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vlm(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Vlm:
    return load_vlm(str(folder))


def test_a_folder_is_loaded_for_generation(tiny: Vlm) -> None:
    assert not tiny.model.training
    assert str(tiny.model.dtype) == "torch.float32"
    assert tiny.tokenizer.padding_side == "left"
    assert tiny.info.model == "tiny"
    assert len(tiny.info.sha256) == 64


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such-org/no-such-model", "not on this machine"),
        ("nonsense", "no path, hub id or known model"),
        ("./absent", "no such file or folder"),
        ("yolox-nano", "detector"),
    ],
)
def test_what_is_not_there_is_one_line(name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PE_OFFLINE", "1")
    with pytest.raises(ModelError, match=words) as caught:
        load_vlm(name)
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = load_file(broken / "model.safetensors")
    weights.pop(next(name for name in weights if "q_proj.weight" in name))
    save_file(
        {**weights, "extra": weights[next(iter(weights))].clone()}, broken / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=r"1 missing .*q_proj.*1 left over \(extra\)"):
        load_vlm(str(broken))
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "model_type": "bert", "architectures": ["BertModel"]}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vlm(str(broken))


def test_a_dtype_and_a_device_are_checked(folder: Path) -> None:
    assert str(load_vlm(str(folder), "cpu", "bfloat16").model.dtype) == "torch.bfloat16"
    with pytest.raises(InputError, match="not a dtype"):
        load_vlm(str(folder), "cpu", "float31")
    with pytest.raises(InputError, match="CUDA"):
        load_vlm(str(folder), "cuda:7")


def test_messages_are_parts_in_their_order() -> None:
    asked = messages_of(rl("k", messages_json=json.dumps(QUESTION)))
    assert asked == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where is the cat?"}]},
    ]
    late = [{"role": "user", "content": "Look: <image> Where?"}]
    parts = messages_of(rl("k", messages_json=json.dumps(late)))[0]["content"]
    assert [part.get("text") for part in parts] == ["Look: ", None, " Where?"]


def test_an_sft_sample_ends_with_its_answer_on_demand() -> None:
    talk = [*QUESTION, {"role": "assistant", "content": "Here."}]
    sample = rl("k", kind="sft", messages_json=json.dumps(talk))
    assert [message["role"] for message in messages_of(sample)] == ["system", "user"]
    assert messages_of(sample, answer=True)[-1]["content"] == [{"type": "text", "text": "Here."}]


@pytest.mark.parametrize("text", ["[]", "{", '[{"role": "user", "content": "no picture"}]', '[{"role": "user"}]'])
def test_a_sample_without_a_conversation_is_named(text: str) -> None:
    with pytest.raises(InputError, match="k7 has no conversation"):
        messages_of(rl("k7", messages_json=text))
    with pytest.raises(InputError, match="build-rl"):
        messages_of(rl("k7", kind="annotated"))


def test_what_the_processor_sees(tiny: Vlm) -> None:
    assert seen_size(tiny.processor, (64, 32)) == (64, 32)
    assert seen_size(tiny.processor, (300, 100)) == (160, 48)
    with pytest.raises(SampleError, match="refused: no picture of 5000 x 10"):
        seen_size(tiny.processor, (5000, 10))


def test_only_formats_in_pixels_of_the_seen_picture_are_checked(tiny: Vlm) -> None:
    check_seen(tiny.processor, rl("k", input_width=7, input_height=7))
    pixels = Verifier(name="detection", params_json='{"format": "qwen2.5-vl"}')
    check_seen(tiny.processor, rl("k", verifier=pixels, input_width=96, input_height=96))
    with pytest.raises(InputError, match=r"seen as 112 x 112.* makes 96 x 96"):
        check_seen(tiny.processor, rl("k", verifier=pixels))
