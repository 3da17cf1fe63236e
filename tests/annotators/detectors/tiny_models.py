"""Zero-shot detectors with random weights, small enough for a test, saved as their libraries save them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pe.annotators.detectors._groundingdino_names import published_name

_WORDS = (
    "a an the of on red green blue grey white black cat dog cow us flag traffic light fire hydrant person hat car "
    "big small left right tiny kite ##s ##ed"
)
WORDS = _WORDS.split()


def save_bert_tokenizer(folder: Path) -> None:
    """A BERT vocabulary whose special tokens have the numbers that Grounding DINO takes for granted."""
    from transformers import BertTokenizer

    vocabulary = [f"[unused{i}]" for i in range(1030)]
    for word, number in {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}.items():
        vocabulary[number] = word
    vocabulary += WORDS
    folder.mkdir(parents=True, exist_ok=True)
    BertTokenizer(vocab={word: i for i, word in enumerate(vocabulary)}, do_lower_case=True).save_pretrained(folder)


def randomise(model: Any, seed: int = 0) -> None:
    """Weights that let a signal through: the library's own start is all but constant."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim < 2:
            norm = re.search(r"norm|input_proj_vision\.\d+\.1", name) and name.endswith("weight")
            # A query's score is a sum over the width: kept away from 0 and 1, where nothing shows.
            size = (32 / len(parameter)) if name.endswith("decoder.layer_norm.weight") else 1.0
            parameter.data = size * (1.0 if norm else 0.0) + 0.1 * size * noise
        else:
            parameter.data = noise * (1.2 / parameter[0].numel() ** 0.5)
    model.eval()


def grounding_dino(
    folder: Path,
    kind: str = "grounding-dino",
    *,
    swin: dict[str, Any] | None = None,
    dtype: str = "float32",
    **changes: Any,
) -> Path:
    """A 64 wide Grounding DINO (or "mm-grounding-dino") of transformers for pictures of 96 to 160 pixels."""
    import torch
    import transformers
    from transformers import BertConfig, SwinConfig

    name = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}[kind]
    backbone = {
        "image_size": 96, "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 4,
        "out_features": ["stage2", "stage3", "stage4"], "drop_path_rate": 0.0, **(swin or {}),
    }  # fmt: skip
    bert = BertConfig(
        vocab_size=1030 + len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
    )
    sizes = {
        "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "num_queries": 20, "encoder_ffn_dim": 96,
        "decoder_ffn_dim": 96, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_feature_levels": 4,
        "encoder_n_points": 2, "decoder_n_points": 2, "max_text_len": 256, **changes,
    }  # fmt: skip
    config = getattr(transformers, f"{name}Config")(backbone_config=SwinConfig(**backbone), text_config=bert, **sizes)
    model = getattr(transformers, f"{name}ForObjectDetection")(config)
    randomise(model)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    save_bert_tokenizer(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pictures = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    transformers.GroundingDinoProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def _clip_tokenizer(limit: int) -> Any:
    """CLIP's tokenizer with single characters alone; the end token has the highest number, as the models expect."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], pad_token="!", model_max_length=limit)


def owlv2(folder: Path) -> Path:
    """A tiny Owlv2ForObjectDetection: 64 px input, 16 boxes."""
    from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

    tokenizer = _clip_tokenizer(16)
    layers = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"pad_token_id": 0, "bos_token_id": len(tokenizer) - 2, "eos_token_id": len(tokenizer) - 1}
    config = Owlv2Config(
        text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 16, **layers, **special},
        vision_config={"image_size": 64, "patch_size": 16, **layers},
        projection_dim=32,
    )
    model = Owlv2ForObjectDetection(config)
    randomise(model)
    model.save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer).save_pretrained(folder)
    return folder


def omdet_turbo(folder: Path) -> Path:
    """A tiny OmDetTurboForObjectDetection: 64 px input, 20 queries."""
    from transformers import (
        DetrImageProcessor,
        OmDetTurboConfig,
        OmDetTurboForObjectDetection,
        OmDetTurboProcessor,
        SwinConfig,
    )

    tokenizer = _clip_tokenizer(77)
    swin = SwinConfig(
        image_size=64, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], window_size=2, drop_path_rate=0.0,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    text = {
        "model_type": "clip_text_model", "vocab_size": len(tokenizer), "hidden_size": 48, "intermediate_size": 48,
        "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 48, "bos_token_id": len(tokenizer) - 2,
        "eos_token_id": len(tokenizer) - 1, "pad_token_id": 0,
    }  # fmt: skip
    config = OmDetTurboConfig(
        backbone_config=swin, text_config=text, image_size=64, text_projection_in_dim=48, text_projection_out_dim=48,
        class_embed_dim=48, task_encoder_hidden_dim=32, num_queries=20, encoder_hidden_dim=32,
        encoder_in_channels=[32, 64, 128], vision_features_channels=[32, 32, 32], encoder_dim_feedforward=48,
        encoder_attention_heads=2, decoder_hidden_dim=32, decoder_num_heads=2, decoder_num_layers=2,
        decoder_dim_feedforward=48, apply_layernorm_after_vision_backbone=False,
    )  # fmt: skip
    model = OmDetTurboForObjectDetection(config)
    randomise(model)
    model.save_pretrained(folder)
    pictures = DetrImageProcessor(size={"height": 64, "width": 64}, do_pad=False)
    OmDetTurboProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def from_published(published: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """groundingdino-py's weights under transformers' `names`."""
    state = {}
    for name in names:
        if "swin.layernorm" not in name:
            other, part = published_name(name)
            tensor = published[other]
            state[name] = (tensor if part is None else tensor.chunk(3)[part]).clone()
    return state
