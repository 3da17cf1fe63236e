"""Small SAM and SAM 2 models with random weights, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def _randomise(model: Any) -> None:
    """transformers' own initialisation is next to zero in the encoder and far too wide in the positions."""
    import torch

    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            parameter.data = (1.0 if name.endswith("weight") else 0.0) + 0.1 * noise
        else:
            wide = 0.4 if "hypernetworks" in name else 0.3
            parameter.data = noise * (wide if parameter.ndim > 1 else 0.1)
    for name, buffer in model.named_buffers():
        if name.endswith("positional_embedding"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator))


def sam(folder: Path) -> Path:
    """A SamModel folder: 64 px input, windows of 3 in a grid of 8, two layers."""
    from transformers import SamConfig, SamImageProcessorPil, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 64, "patch_size": 8, "window_size": 3, "global_attn_indexes": [1], "num_pos_feats": 16,
            "mlp_dim": 48,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 8, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 40, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 24, "iou_head_depth": 4,
        },
    )  # fmt: skip
    model = SamModel(config)
    _randomise(model)
    model.save_pretrained(folder)
    SamImageProcessorPil(
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 32},
        mask_pad_size={"height": 32, "width": 32},
    ).save_pretrained(folder)
    return folder


def sam2(folder: Path) -> Path:
    """A Sam2Model folder: 128 px input, stretched to a square."""
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model

    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 16, "num_attention_heads": 1,
                "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [16, 32, 64, 128],
                "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [4, 2, 2, 2],
                "global_attention_blocks": [3], "image_size": [128, 128],
                "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [128, 64, 32, 16], "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "patch_size": 16, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 40, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 24,
        },
    )  # fmt: skip
    model = Sam2Model(config)
    _randomise(model)
    model.save_pretrained(folder)
    Sam2ImageProcessor(size={"height": 128, "width": 128}, mask_size={"height": 32, "width": 32}).save_pretrained(
        folder
    )
    return folder
