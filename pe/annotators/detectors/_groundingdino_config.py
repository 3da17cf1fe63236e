"""transformers' configuration of a Grounding DINO as groundingdino-py's arguments, or why there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.annotators._pretrained import reading
from pe.errors import ModelError

# What groundingdino-py does in one way only, or transformers' own forward pass does.
_FIXED = {
    "activation_function": "relu",
    "position_embedding_type": "sine",
    "two_stage": True,
    "embedding_init_target": True,
    "query_dim": 4,
}
_SWIN_FIXED = {"model_type": "swin", "hidden_act": "gelu", "use_absolute_embeddings": False}
_ALIKE = (("encoder_attention_heads", "decoder_attention_heads"), ("encoder_ffn_dim", "decoder_ffn_dim"))
_TEXT_LIMIT = 256


def read_config(folder: Path) -> Any:
    """The GroundingDinoConfig of a folder; raises ModelError for another model and for what cannot be translated."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json in it")
    with reading(str(folder)):
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
    if config.model_type != "grounding-dino":
        raise ModelError(f"{folder}: a {config.model_type} model, not grounding-dino: use --detector transformers")
    with reading(str(folder)):
        problem = _problem(config)
    if problem:
        raise ModelError(f"{folder}: groundingdino-py has no model with {problem}: use --detector transformers")
    return config


def model_arguments(config: Any) -> dict[str, Any]:
    """What differs from the published models' own arguments."""
    return {
        "hidden_dim": config.d_model,
        "enc_layers": config.encoder_layers,
        "dec_layers": config.decoder_layers,
        "num_queries": config.num_queries,
        "dim_feedforward": config.encoder_ffn_dim,
        "nheads": config.encoder_attention_heads,
        "enc_n_points": config.encoder_n_points,
        "dec_n_points": config.decoder_n_points,
        "num_feature_levels": config.num_feature_levels,
        "pe_temperatureH": config.positional_embedding_temperature,
        "pe_temperatureW": config.positional_embedding_temperature,
        "dec_pred_bbox_embed_share": config.decoder_bbox_embed_share,
    }


def swin_arguments(swin: Any) -> dict[str, Any]:
    """The arguments of groundingdino-py's SwinTransformer; stages are counted from 0 there, after a stem here."""
    return {
        "patch_size": swin.patch_size,
        "embed_dim": swin.embed_dim,
        "depths": swin.depths,
        "num_heads": swin.num_heads,
        "window_size": swin.window_size,
        "mlp_ratio": swin.mlp_ratio,
        "qkv_bias": swin.qkv_bias,
        "out_indices": tuple(index - 1 for index in swin.out_indices),
    }


def set_norms(module: Any, config: Any) -> None:
    """Give the layer norms of `module` the epsilons of `config`; groundingdino-py has no arguments for them."""
    import torch

    for part in module.transformer.modules():
        if isinstance(part, torch.nn.LayerNorm):
            part.eps = config.layer_norm_eps
    for stage in module.backbone[0].layers:
        for block in stage.blocks:
            block.norm1.eps = block.norm2.eps = config.backbone_config.layer_norm_eps


def _problem(config: Any) -> str:
    swin = config.backbone_config
    for owner, fixed, whose in ((config, _FIXED, ""), (swin, _SWIN_FIXED, "backbone ")):
        for name, value in fixed.items():
            if getattr(owner, name) != value:
                return f"{whose}{name} {getattr(owner, name)}"
    for one, other in _ALIKE:
        if getattr(config, one) != getattr(config, other):
            return f"{one} {getattr(config, one)} and {other} {getattr(config, other)}"
    if config.text_config.model_type != "bert":
        return f"a {config.text_config.model_type} text model"
    if config.max_text_len > _TEXT_LIMIT:
        return f"max_text_len {config.max_text_len} (at most {_TEXT_LIMIT})"
    if 0 in swin.out_indices:
        return "the backbone's stem as a feature map"
    if config.num_feature_levels < len(swin.out_indices):
        return f"{config.num_feature_levels} feature levels for {len(swin.out_indices)} stages of the backbone"
    return ""
