"""transformers' Grounding DINO weights under groundingdino-py's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

# transformers on the left, groundingdino-py on the right; what no rule touches has the same name.
_RENAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^model\.text_backbone\.", "bert."),
    (r"^model\.text_projection\.", "feat_map."),
    (r"^model\.input_proj_vision\.", "input_proj."),
    (r"^model\.query_position_embeddings\.", "transformer.tgt_embed."),
    (r"^model\.encoder_output_bbox_embed\.", "transformer.enc_out_bbox_embed."),
    (r"^model\.(enc_output|enc_output_norm|level_embed)\b", r"transformer.\1"),
    (r"^model\.decoder\.bbox_embed\.", "transformer.decoder.bbox_embed."),
    (r"^model\.decoder\.reference_points_head\.", "transformer.decoder.ref_point_head."),
    (r"^model\.decoder\.layer_norm\.", "transformer.decoder.norm."),
    (r"^model\.encoder\.layers\.(\d+)\.fusion_layer\.", r"transformer.encoder.fusion_layers.\1."),
    (r"^model\.encoder\.layers\.(\d+)\.text_enhancer_layer\.", r"transformer.encoder.text_layers.\1."),
    (r"^model\.encoder\.layers\.(\d+)\.deformable_layer\.", r"transformer.encoder.layers.\1."),
    (r"^model\.decoder\.layers\.", "transformer.decoder.layers."),
    (r"(?<=decoder\.layers\.)(\d+)\.encoder_attn\.", r"\1.cross_attn."),
    (r"\.encoder_attn_text\.", ".ca_text."),
    (r"\.encoder_attn_text_layer_norm\.", ".catext_norm."),
    (r"\.encoder_attn_layer_norm\.", ".norm1."),
    (r"(decoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.norm2."),
    (r"(decoder\.layers\.\d+)\.final_layer_norm\.", r"\1.norm3."),
    (r"(encoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.norm1."),
    (r"(encoder\.layers\.\d+)\.final_layer_norm\.", r"\1.norm2."),
    (r"(fusion_layers\S+?)text_(?=param|proj)", r"\1l_"),
    (r"(fusion_layers\S+?)vision_(?=param|proj)", r"\1v_"),
    (r"\.layer_norm_text\.", ".layer_norm_l."),
    (r"\.layer_norm_vision\.", ".layer_norm_v."),
    (r"\.([lv])_param$", r".gamma_\1"),
    (r"\.layer_norm_before\.", ".norm1."),
    (r"\.layer_norm_after\.", ".norm2."),
    (r"\.fc(\d)\.", r".linear\1."),
    (r"^model\.backbone\.conv_encoder\.model\.", "model.backbone."),
    (r"^model\.backbone\.embeddings\.norm\.", "backbone.0.patch_embed.norm."),
    (r"^model\.backbone\.embeddings\.patch_embeddings\.projection\.", "backbone.0.patch_embed.proj."),
    (r"^model\.backbone\.hidden_states_norms\.stage(\d+)\.", lambda match: f"backbone.0.norm{int(match[1]) - 1}."),
    (r"^model\.backbone\.encoder\.", "backbone.0."),
    (r"(backbone\S+)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"(backbone\S+)\.attention\.self\.", r"\1.attn."),
    (r"(backbone\S+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(backbone\S+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"(backbone\S+)\.layernorm_before\.", r"\1.norm1."),
    (r"(backbone\S+)\.layernorm_after\.", r"\1.norm2."),
)
# The norm after the last stage, which no feature map passes.
_UNUSED = r"\bswin\.layernorm\."
_PARTS = ("query", "key", "value")


def from_transformers(state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a transformers GroundingDinoForObjectDetection under groundingdino-py's names, q, k, v joined."""
    import torch

    renamed: dict[str, Any] = {}
    joined: dict[str, dict[int, Any]] = {}
    for name, tensor in state.items():
        if re.search(_UNUSED, name):
            continue
        other, part = published_name(name)
        if part is None:
            renamed[other] = tensor
        else:
            joined.setdefault(other, {})[part] = tensor
    # A projection that lacks a third is left out, and so counted as missing.
    whole = {name: parts for name, parts in joined.items() if len(parts) == len(_PARTS)}
    return renamed | {name: torch.cat([parts[i] for i in range(len(_PARTS))]) for name, parts in whole.items()}


def published_name(name: str) -> tuple[str, int | None]:
    """groundingdino-py's name for a parameter of transformers' model, and its third of a joint q, k, v projection."""
    for pattern, target in _RENAMES:
        name = re.sub(pattern, target, name)
    match = re.fullmatch(r"(.*)\.(query|key|value)\.(weight|bias)", name)
    if match is None or name.startswith("bert."):
        return name, None
    joint = "qkv." if name.startswith("backbone.") else "in_proj_"
    return f"{match[1]}.{joint}{match[3]}", _PARTS.index(match[2])
