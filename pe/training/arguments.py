"""The settings of a stage as TRL's arguments."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from pe.errors import ConfigError
from pe.training.settings import GrpoStage, SftStage, TrainSettings

_SAME = (
    *("per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "weight_decay", "adam_beta1"),
    *("adam_beta2", "adam_epsilon", "max_grad_norm", "lr_scheduler_type", "lr_scheduler_kwargs", "logging_steps"),
    *("save_steps", "save_total_limit", "loss_type"),
)
_SAME_GRPO = (
    *("num_generations", "max_completion_length", "temperature", "top_p", "top_k", "min_p", "repetition_penalty"),
    *("importance_sampling_level", "scale_rewards", "num_iterations", "epsilon", "epsilon_high", "delta", "beta"),
    *("use_bias_correction_kl", "top_entropy_quantile", "entropy_coef", "mask_truncated_completions", "use_vllm"),
    *("vllm_mode", "vllm_server_base_url", "vllm_gpu_memory_utilization", "vllm_tensor_parallel_size"),
)

_MARKS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<image>", "<IMG_CONTEXT>", "<img>")


def arguments_of(settings: TrainSettings, stage: SftStage | GrpoStage, folder: Path, steps: int, processor: Any) -> Any:
    """SFTConfig or GRPOConfig. Raises ConfigError for what TRL refuses."""
    from trl import GRPOConfig, SFTConfig

    values = {name: getattr(stage, name) for name in _SAME}
    dtype = settings.dtype if settings.dtype != "auto" else default_dtype(settings.device)
    on_gpu = uses_gpu(settings.device)
    trackers = [*settings.report_to]
    if any(importlib.util.find_spec(module) for module in ("tensorboard", "tensorboardX")):
        trackers.append("tensorboard")
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    values |= {
        "output_dir": str(folder),
        "max_steps": steps,
        "warmup_steps": stage.warmup_ratio,
        "seed": settings.seed,
        "use_cpu": not on_gpu,
        "bf16": dtype == "bfloat16",
        "fp16": dtype == "float16",
        "gradient_checkpointing": on_gpu if stage.gradient_checkpointing is None else stage.gradient_checkpointing,
        "report_to": sorted(set(trackers)) or "none",
        "save_strategy": "steps",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "log_level": "error",
        "logging_nan_inf_filter": False,
    }
    try:
        if isinstance(stage, SftStage):
            return SFTConfig(**values, max_length=None)
        values |= {name: getattr(stage, name) for name in _SAME_GRPO}
        return GRPOConfig(**values, generation_kwargs=_no_pictures(stage, processor))
    except (ValueError, ImportError, TypeError) as error:
        raise ConfigError([f"stage {stage.name or stage.kind}: {' '.join(str(error).split())[:300]}"]) from error


def uses_gpu(device: str) -> bool:
    """Whether training runs on a GPU."""
    import torch

    return device != "cpu" and torch.cuda.is_available()


def default_dtype(device: str) -> str:
    """What is computed in: bfloat16 on a GPU that has it, float32 elsewhere."""
    import torch

    return "bfloat16" if uses_gpu(device) and torch.cuda.is_bf16_supported() else "float32"


def _no_pictures(stage: GrpoStage, processor: Any) -> dict[str, Any]:
    """Keeps marks of pictures out of responses: one that is sampled would ask for a picture that is not there."""
    known = processor.tokenizer.get_vocab()
    marks = {*_MARKS, getattr(processor, "image_token", "")}
    ids = sorted(known[mark] for mark in marks if mark in known)
    if not ids:
        return {}
    return {"logit_bias": dict.fromkeys(ids, -100.0)} if stage.use_vllm else {"suppress_tokens": ids}
