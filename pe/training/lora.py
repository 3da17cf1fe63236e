"""Low-rank adapters: where they go, and how new coordinate tokens are trained beside them."""

from __future__ import annotations

from typing import Any

from pe.errors import ModelError
from pe.registry import require
from pe.training.parts import part_of
from pe.training.settings import GrpoStage, SftStage


def lora_config(model: Any, stage: SftStage | GrpoStage, new_tokens: bool) -> Any:
    """peft's configuration for the adapters of `stage`, None where it has none.

    They go on the linear layers of `target_modules` in every part that is not frozen. With `new_tokens` the input
    embeddings are trained whole, and the output layer where it is not tied to them: peft's own way of training single
    tokens fails with TRL's fused output layer.
    """
    if stage.lora is None:
        return None
    require("training adapters", "train", "peft")
    import torch
    from peft import LoraConfig

    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.rpartition(".")[2] in stage.lora.target_modules
        and part_of(name) not in stage.freeze
    ]
    if not targets:
        raise ModelError(
            f"lora: {type(model).__name__} has no linear layer called {', '.join(stage.lora.target_modules)} in a part "
            "that is not frozen"
        )
    whole = None
    if new_tokens:
        whole = [_name_of(model, model.get_input_embeddings())]
        head = model.get_output_embeddings()
        if head is not None and head.weight is not model.get_input_embeddings().weight:
            whole.append(_name_of(model, head))
    return LoraConfig(
        r=stage.lora.r,
        lora_alpha=stage.lora.lora_alpha,
        lora_dropout=stage.lora.lora_dropout,
        target_modules=targets,
        modules_to_save=whole,
        ensure_weight_tying=bool(new_tokens and whole and len(whole) == 1),
        task_type="CAUSAL_LM",
    )


def _name_of(model: Any, wanted: Any) -> str:
    name: str = next(name for name, module in model.named_modules() if module is wanted)
    return name.rpartition(".")[2]
