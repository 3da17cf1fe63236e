"""The memory that a stage takes on each GPU, from the sizes of the model alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pe.training.lora import lora_config
from pe.training.parts import part_of
from pe.training.settings import GrpoStage, SftStage

GPUS = (1, 2, 4, 8)
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

# What is divided by the number of GPUs: nothing (DDP), or more and more of it.
SHARDINGS: Mapping[str, tuple[str, ...]] = {
    "DDP": (),
    "ZeRO-1": ("optimizer",),
    "ZeRO-2, FSDP SHARD_GRAD_OP": ("optimizer", "gradients"),
    "ZeRO-3, FSDP FULL_SHARD": ("optimizer", "gradients", "weights", "reference"),
}


@dataclass(frozen=True)
class Sizes:
    """Parameters by number: `total` of the model, `trained` of it, `adapters` beside it, `muon` of those trained."""

    total: int
    trained: int
    adapters: int
    muon: int


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU that shares nothing."""

    weights: int
    gradients: int
    optimizer: int
    reference: int
    activations: int

    def on(self, gpus: int, sharding: str) -> int:
        """Bytes on each of `gpus` GPUs under one of SHARDINGS."""
        shared = SHARDINGS[sharding]
        return sum(size // gpus if name in shared else size for name, size in vars(self).items())


def sizes_of(model: Any, stage: SftStage | GrpoStage, new_tokens: bool) -> Sizes:
    """The sizes of `model`, whose frozen parts are frozen already; its weights may be on the meta device."""
    total = sum(weight.numel() for weight in model.parameters())
    if stage.lora is None:
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        outside = {id(layer.weight) for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer}
        muon = sum(
            weight.numel()
            for name, weight in trained.items()
            if stage.optim == "muon" and weight.ndim == 2 and id(weight) not in outside and "embed" not in name
        )
        return Sizes(total, sum(weight.numel() for weight in trained.values()), 0, muon)
    config = lora_config(model, stage, new_tokens)
    layers = dict(model.named_modules())
    adapters = sum(config.r * sum(layers[name].weight.shape) for name in config.target_modules)
    muon = adapters if stage.optim == "muon" else 0
    for whole in config.modules_to_save or ():
        adapters += next(layer.weight.numel() for name, layer in layers.items() if name.rpartition(".")[2] == whole)
    return Sizes(total, 0, adapters, muon)


def memory_of(
    model: Any, stage: SftStage | GrpoStage, sizes: Sizes, *, dtype: str, tokens: int, patches: int, checkpointing: bool
) -> Memory:
    """A rough estimate; `tokens` of the longest row (for GRPO its prompt), of which the vision tower sees `patches`.

    Trained weights, their gradients and moments (two of AdamW, one of Muon) are float32; what adapters leave alone is
    of `dtype`. Activations are what autograd keeps of layers with a gated MLP and fused attention (see `_kept`), with
    checkpointing that of one layer and what goes into every other. Logits are left out: TRL's output layer works in
    tiles. GRPO holds the larger of that and of the keys and values of all rollouts of a step.
    """
    trained = sizes.trained + sizes.adapters
    size = _BYTES[dtype]
    stored = 4 * sizes.total if stage.lora is None else size * sizes.total + 4 * sizes.adapters
    reference = 0
    rows, length = stage.per_device_train_batch_size, tokens
    cache = 0
    text = model.config.get_text_config()
    if isinstance(stage, GrpoStage):
        length += stage.max_completion_length
        reference = 4 * sizes.total if stage.beta and stage.lora is None else 0
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        if not stage.use_vllm:
            cache = 2 * text.num_hidden_layers * heads * head * length * rows * stage.gradient_accumulation_steps * size
    activations = size * rows * length * _kept(text, checkpointing)
    vision = getattr(model.config, "vision_config", None)
    if any(weight.requires_grad and part_of(name) == "vision" for name, weight in model.named_parameters()):
        activations += size * rows * patches * _kept(vision, checkpointing)
    return Memory(
        weights=stored,
        gradients=4 * trained,
        optimizer=8 * trained - 4 * sizes.muon,
        reference=reference,
        activations=max(activations, cache),
    )


def _kept(config: Any, checkpointing: bool) -> int:
    """The numbers that autograd keeps for one token of a tower; 0 where its configuration does not tell its width.

    Of a layer 13 a unit of the width, 2 a unit of the keys' width and 4 a unit of the gated MLP: so it is of Qwen2.5-VL
    in transformers 5 (a test counts them). Korthikanti et al. 2022 (arXiv 2205.05198) count 17 a unit of the width for
    an MLP without gate, four times as wide.
    """
    width = int(getattr(config, "hidden_size", None) or getattr(config, "embed_dim", 0) or 0)
    layers = int(getattr(config, "num_hidden_layers", None) or getattr(config, "depth", 0) or 0)
    heads = int(getattr(config, "num_attention_heads", None) or getattr(config, "num_heads", 0) or 1)
    keys = width * int(getattr(config, "num_key_value_heads", None) or heads) // heads
    layer = 13 * width + 2 * keys + 4 * int(getattr(config, "intermediate_size", None) or 4 * width)
    return layer + width * layers if checkpointing else layer * layers
