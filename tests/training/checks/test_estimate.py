from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from pe.training.checks.estimate import SHARDINGS, Memory, memory_of, sizes_of  # noqa: E402
from pe.training.lora import lora_config  # noqa: E402
from pe.training.optimizers import optimizer_of  # noqa: E402
from pe.training.parts import freeze  # noqa: E402
from pe.training.settings import GrpoStage, SftStage  # noqa: E402
from tests import vlms  # noqa: E402


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vlms.qwen2_5_vl(tmp_path_factory.mktemp("vlm"), tied=request.param)


def _model(folder: Path) -> Any:
    return transformers.AutoModelForImageTextToText.from_pretrained(folder)


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)


def _take_a_step(model: Any, stage: SftStage) -> int:
    """The bytes of the optimizer's moments after a step."""
    optimizer = optimizer_of(model, stage, [])
    for weight in model.parameters():
        if weight.requires_grad:
            weight.grad = torch.ones_like(weight)
    optimizer.step()
    states = [state for part in getattr(optimizer, "parts", [optimizer]) for state in part.state.values()]
    return _bytes(value for state in states for value in state.values() if torch.is_tensor(value) and value.ndim)


@pytest.mark.parametrize("optim", ["adamw", "muon"])
@pytest.mark.parametrize("frozen", [[], ["vision", "connector"]])
def test_weights_gradients_and_moments_are_those_of_a_real_step(folder: Path, optim: str, frozen: list[str]) -> None:
    stage = SftStage.model_validate({"optim": optim, "freeze": frozen})
    model = _model(folder)
    freeze(model, stage.freeze)
    memory = memory_of(
        model, stage, sizes_of(model, stage, False), dtype="float32", tokens=9, patches=9, checkpointing=False
    )
    moments = _take_a_step(model, stage)
    assert memory.weights == _bytes(model.parameters())
    assert memory.gradients == _bytes(weight.grad for weight in model.parameters())
    assert memory.optimizer == moments


@pytest.mark.parametrize("new_tokens", [False, True])
def test_adapters_are_counted_as_peft_makes_them(folder: Path, new_tokens: bool) -> None:
    import peft

    stage = SftStage.model_validate({"lora": {"r": 4}})
    model = _model(folder)
    sizes = sizes_of(model, stage, new_tokens)
    adapted = peft.get_peft_model(model, lora_config(model, stage, new_tokens))
    trained = {id(weight): weight.numel() for weight in adapted.parameters() if weight.requires_grad}
    assert sizes.adapters == sum(trained.values())
    assert sizes.trained == 0


def test_shardings_divide_what_they_share() -> None:
    memory = Memory(weights=800, gradients=400, optimizer=1600, reference=80, activations=8)
    assert [memory.on(8, name) for name in SHARDINGS] == [2888, 1488, 1138, 368]
    assert {memory.on(1, name) for name in SHARDINGS} == {2888}


def test_grpo_adds_a_reference_and_the_rollouts(folder: Path) -> None:
    model = _model(folder)

    def of(**values: Any) -> Memory:
        stage = GrpoStage.model_validate(values)
        sizes = sizes_of(model, stage, False)
        return memory_of(model, stage, sizes, dtype="float32", tokens=100, patches=9, checkpointing=True)

    plain = of(beta=0.0)
    assert plain.reference == 0
    assert of(beta=0.04).reference == plain.weights
    assert of(beta=0.04, lora={"r": 4}).reference == 0, "adapters are switched off for the reference"
    long, short = of(max_completion_length=4096), of(max_completion_length=64)
    assert long.activations > 20 * short.activations
    # 2 layers x 2 heads x 16 numbers, keys and values, of 8 x 16 rollouts of 100 + 4096 tokens
    many = of(max_completion_length=4096, gradient_accumulation_steps=16)
    assert many.activations == 2 * 2 * 2 * 16 * 4 * 8 * 16 * 4196


def test_checkpointing_saves_activations_of_a_deep_model(folder: Path) -> None:
    model, stage = _model(folder), SftStage()
    sizes = sizes_of(model, stage, False)
    one, other = (
        memory_of(model, stage, sizes, dtype="bfloat16", tokens=500, patches=9, checkpointing=on)
        for on in (False, True)
    )
    assert other.activations < one.activations
    assert (one.weights, one.optimizer) == (other.weights, other.optimizer)


def test_activations_are_what_autograd_keeps(folder: Path) -> None:
    """The slope over layers, which leaves out what there is once a model."""
    tokens = 200

    def deep(layers: int, config: Any) -> Any:
        config.text_config.num_hidden_layers = layers
        config.text_config.layer_types = ["full_attention"] * layers
        return transformers.AutoModelForImageTextToText.from_config(config).train()

    def kept(layers: int, config: Any) -> int:
        model = deep(layers, config)
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        found: dict[int, int] = {}
        held = []

        def pack(tensor: Any) -> Any:
            held.append(tensor)
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            # Padding, as in every batch of rows of different lengths.
            mask = torch.ones(1, tokens, dtype=torch.long)
            mask[0, -3:] = 0
            model.model(input_ids=torch.zeros(1, tokens, dtype=torch.long), attention_mask=mask)
        return sum(size for place, size in found.items() if place not in weights)

    def estimated(layers: int, config: Any) -> int:
        model = deep(layers, config)
        stage = SftStage.model_validate({"per_device_train_batch_size": 1, "freeze": ["vision"]})
        freeze(model, stage.freeze)
        sizes = sizes_of(model, stage, False)
        return memory_of(
            model, stage, sizes, dtype="float32", tokens=tokens, patches=0, checkpointing=False
        ).activations

    config = transformers.AutoConfig.from_pretrained(folder)
    for wide in (64, 192):
        config.text_config.intermediate_size = wide
        real, guess = kept(5, config) - kept(2, config), estimated(5, config) - estimated(2, config)
        assert guess == pytest.approx(real, rel=0.08)
