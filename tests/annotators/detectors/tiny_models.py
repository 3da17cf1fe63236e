"""Zero-shot detectors with random weights, small enough for a test, saved as their libraries save them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_WORDS = (
    "a an the of on red green blue grey white black cat dog cow us flag traffic light fire hydrant person hat car "
    "big small left right tiny kite ##s ##ed"
)
WORDS = _WORDS.split()
_WIDTH = 64


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
            parameter.data = (1.0 if norm else 0.0) + 0.1 * noise
        else:
            parameter.data = noise * (1.2 / parameter[0].numel() ** 0.5)
    model.eval()


def grounding_dino(folder: Path, kind: str = "grounding-dino") -> Path:
    """A 64 wide Grounding DINO (or "mm-grounding-dino") of transformers for pictures of 96 to 160 pixels."""
    import transformers
    from transformers import BertConfig, SwinConfig

    name = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}[kind]
    swin = SwinConfig(
        image_size=96, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], window_size=4,
        out_features=["stage2", "stage3", "stage4"], drop_path_rate=0.0,
    )  # fmt: skip
    bert = BertConfig(
        vocab_size=1030 + len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
    )
    config = getattr(transformers, f"{name}Config")(
        backbone_config=swin, text_config=bert, d_model=_WIDTH, encoder_layers=2, decoder_layers=2, num_queries=20,
        encoder_ffn_dim=96, decoder_ffn_dim=96, encoder_attention_heads=4, decoder_attention_heads=4,
        num_feature_levels=4, encoder_n_points=2, decoder_n_points=2, max_text_len=256,
    )  # fmt: skip
    model = getattr(transformers, f"{name}ForObjectDetection")(config)
    randomise(model)
    model.save_pretrained(folder)
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


_NAMES = [
    (r"^model\.text_backbone\.", "bert."),
    (r"^model\.text_projection\.", "feat_map."),
    (r"^model\.input_proj_vision\.", "input_proj."),
    (r"^model\.query_position_embeddings\.", "transformer.tgt_embed."),
    (r"^model\.encoder_output_bbox_embed\.", "transformer.enc_out_bbox_embed."),
    (r"^model\.(enc_output|enc_output_norm|level_embed)\b", r"transformer.\1"),
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
    (r"^model\.backbone\.hidden_states_norms\.stage2\.", "backbone.0.norm1."),
    (r"^model\.backbone\.hidden_states_norms\.stage3\.", "backbone.0.norm2."),
    (r"^model\.backbone\.hidden_states_norms\.stage4\.", "backbone.0.norm3."),
    (r"^model\.backbone\.encoder\.", "backbone.0."),
    (r"(backbone\S+)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"(backbone\S+)\.attention\.self\.", r"\1.attn."),
    (r"(backbone\S+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(backbone\S+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"(backbone\S+)\.layernorm_before\.", r"\1.norm1."),
    (r"(backbone\S+)\.layernorm_after\.", r"\1.norm2."),
]  # fmt: skip
_PARTS = ("query", "key", "value")


def published_name(name: str) -> tuple[str, int | None]:
    """groundingdino-py's name for a parameter of transformers' model, and its third of a joint q, k, v projection."""
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    match = re.search(r"(.*)\.(query|key|value)\.(weight|bias)$", name)
    if match is None or name.startswith("bert."):
        return name, None
    joint = "qkv." if name.startswith("backbone.") else "in_proj_"
    return f"{match[1]}.{joint}{match[3]}", _PARTS.index(match[2])


def to_published(state: dict[str, Any]) -> dict[str, Any]:
    """transformers' Grounding DINO weights under groundingdino-py's names."""
    import torch

    joined: dict[str, dict[int | None, Any]] = {}
    for name, tensor in state.items():
        if "swin.layernorm" not in name:
            other, part = published_name(name)
            joined.setdefault(other, {})[part] = tensor
    return {
        name: parts[None] if None in parts else torch.cat([parts[i] for i in range(3)])
        for name, parts in joined.items()
    }


def from_published(published: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """groundingdino-py's weights under transformers' `names`."""
    state = {}
    for name in names:
        if "swin.layernorm" not in name:
            other, part = published_name(name)
            tensor = published[other]
            state[name] = (tensor if part is None else tensor.chunk(3)[part]).clone()
    return state


def published_folder(folder: Path, source: Path) -> Path:
    """The same weights as `source` (of `grounding_dino`) in the layout of the groundingdino adapter."""
    from safetensors.torch import load_file, save_file

    save_bert_tokenizer(folder)
    save_file(to_published(load_file(source / "model.safetensors")), folder / "model.safetensors")
    bert = json.loads((source / "config.json").read_text())["text_config"]
    keys = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = {
        "hidden_dim": _WIDTH, "enc_layers": 2, "dec_layers": 2, "num_queries": 20, "dim_feedforward": 96, "nheads": 4,
        "enc_n_points": 2, "dec_n_points": 2, "resize": {"shortest": 96, "longest": 160},
        "swin": {"embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 4},
        "bert": {key: bert[key] for key in keys},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"groundingdino": config}))
    return folder
