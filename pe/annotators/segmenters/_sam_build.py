"""segment-anything's Sam from weights: the published sizes by their shapes, any other by a transformers config.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pe.annotators._pretrained import reading
from pe.annotators.checkpoints import load_state, read_weights
from pe.errors import ModelError

# transformers' SamModel on the left, segment-anything's Sam on the right; what no rule touches has the same name.
_RENAMES = (
    (r"^shared_image_embedding\.positional_embedding$", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"^vision_encoder\.", "image_encoder."),
    (r"^(image_encoder\.patch_embed)\.projection\.", r"\1.proj."),
    (r"^(image_encoder)\.layers\.", r"\1.blocks."),
    (r"^(image_encoder\.neck)\.conv1\.", r"\1.0."),
    (r"^(image_encoder\.neck)\.layer_norm1\.", r"\1.1."),
    (r"^(image_encoder\.neck)\.conv2\.", r"\1.2."),
    (r"^(image_encoder\.neck)\.layer_norm2\.", r"\1.3."),
    (r"^(prompt_encoder)\.point_embed\.", r"\1.point_embeddings."),
    (r"^(prompt_encoder)\.mask_embed\.conv1\.", r"\1.mask_downscaling.0."),
    (r"^(prompt_encoder)\.mask_embed\.layer_norm1\.", r"\1.mask_downscaling.1."),
    (r"^(prompt_encoder)\.mask_embed\.conv2\.", r"\1.mask_downscaling.3."),
    (r"^(prompt_encoder)\.mask_embed\.layer_norm2\.", r"\1.mask_downscaling.4."),
    (r"^(prompt_encoder)\.mask_embed\.conv3\.", r"\1.mask_downscaling.6."),
    (r"^(mask_decoder)\.upscale_conv1\.", r"\1.output_upscaling.0."),
    (r"^(mask_decoder)\.upscale_layer_norm\.", r"\1.output_upscaling.1."),
    (r"^(mask_decoder)\.upscale_conv2\.", r"\1.output_upscaling.3."),
    (r"^(mask_decoder\.transformer)\.layer_norm_final_attn\.", r"\1.norm_final_attn."),
    (r"\.layer_norm(\d)\.", r".norm\1."),
)
_TIED = "prompt_encoder.shared_embedding.positional_embedding"


def build(path: Path) -> Any:
    """A Sam in eval mode with all of its weights, from a .pth or .safetensors file or a transformers folder.

    Raises ModelError when the weights are none of the published sizes, or do not fit the model key by key.
    """
    if path.is_dir():
        sam = _from_config(path)
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            raise ModelError(f"{path}: a SAM folder holds config.json and one .safetensors file, not {len(files)}")
        state = from_transformers(read_weights(files[0]))
    else:
        state = read_weights(path)
        sam = _published(path, state)
    load_state(sam, state, path.name, harmless=())
    return sam.eval()


def from_transformers(state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a transformers SamModel under segment-anything's names."""
    renamed = {}
    for name, tensor in state.items():
        if name == _TIED:  # saved a second time by older versions
            continue
        for pattern, target in _RENAMES:
            name = re.sub(pattern, target, name)
        renamed[_mlp_name(name, state)] = tensor
    return renamed


def _mlp_name(name: str, state: Mapping[str, Any]) -> str:
    """transformers splits the decoder's small MLPs into proj_in, layers, proj_out; segment-anything counts layers."""
    match = re.fullmatch(r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.(.+)\.(\w+)", name)
    if match is None:
        return name
    head, part, kind = match.groups()
    inner = sum(key.startswith(f"{head}.layers.") and key.endswith(".weight") for key in state)
    if part == "proj_in":
        index = 0
    elif part == "proj_out":
        index = inner + 1
    else:
        index = int(part.removeprefix("layers.")) + 1
    return f"{head}.layers.{index}.{kind}"


def _published(path: Path, state: Mapping[str, Any]) -> Any:
    from segment_anything import sam_model_registry

    weight = state.get("image_encoder.patch_embed.proj.weight")
    width = 0 if weight is None else int(weight.shape[0])
    size = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}.get(width)
    if size is None:
        found = f"an image encoder {width} wide" if width else "no image encoder"
        raise ModelError(
            f"{path}: {found}, so neither SAM ViT-B, L nor H: "
            "name a folder with config.json and model.safetensors for another size"
        )
    return sam_model_registry[size]()


def _from_config(folder: Path) -> Any:
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    from transformers import SamConfig

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json in it")
    with reading(str(folder)):
        config = SamConfig.from_pretrained(folder, local_files_only=True)
    if config.model_type != "sam":
        raise ModelError(f"{folder}: a {config.model_type} model, not sam: use --segmenter transformers")
    vision, prompt, decoder = config.vision_config, config.prompt_encoder_config, config.mask_decoder_config
    grid = vision.image_size // vision.patch_size
    transformer = TwoWayTransformer(
        depth=decoder.num_hidden_layers,
        embedding_dim=decoder.hidden_size,
        num_heads=decoder.num_attention_heads,
        mlp_dim=decoder.mlp_dim,
        attention_downsample_rate=decoder.attention_downsample_rate,
    )
    for layer in transformer.layers:
        for norm in (layer.norm1, layer.norm2, layer.norm3, layer.norm4):
            norm.eps = decoder.layer_norm_eps
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=vision.image_size,
            patch_size=vision.patch_size,
            in_chans=vision.num_channels,
            embed_dim=vision.hidden_size,
            depth=vision.num_hidden_layers,
            num_heads=vision.num_attention_heads,
            mlp_ratio=vision.mlp_dim / vision.hidden_size,
            out_chans=vision.output_channels,
            qkv_bias=vision.qkv_bias,
            norm_layer=partial(torch.nn.LayerNorm, eps=vision.layer_norm_eps),
            use_abs_pos=vision.use_abs_pos,
            use_rel_pos=vision.use_rel_pos,
            window_size=vision.window_size,
            global_attn_indexes=tuple(vision.global_attn_indexes),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=prompt.hidden_size,
            image_embedding_size=(grid, grid),
            input_image_size=(vision.image_size, vision.image_size),
            mask_in_chans=prompt.mask_input_channels,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=decoder.hidden_size,
            transformer=transformer,
            num_multimask_outputs=decoder.num_multimask_outputs,
            iou_head_depth=decoder.iou_head_depth,
            iou_head_hidden_dim=decoder.iou_head_hidden_dim,
        ),
    )
