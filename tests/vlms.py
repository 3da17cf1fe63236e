"""Small image-text-to-text models with random weights, saved as transformers saves them: a step takes milliseconds.

Their tokenizer is a byte-level BPE without merges. With `coordinates` it has the tokens <0> .. <999>; without, its last
`spare` ordinary tokens mean nothing and may be taken.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

QWEN_MARKS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
]  # fmt: skip
SMOLVLM_MARKS = [
    "<|endoftext|>", "<|im_start|>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>",
    "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
]  # fmt: skip
# What a decoder may take out of the text is special; the marks around boxes are text.
TEXT_MARKS = ("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>")
PIXELS = 48 * 48


def tokenizer_of(marks: list[str], eos: str, *, coordinates: bool, spare: int) -> Any:
    """A byte-level tokenizer with `marks`, and the coordinates or `spare` ordinary tokens in front of them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(f"spare{number}" for number in range(spare))]
    raw = Tokenizer(models.BPE({sign: index for index, sign in enumerate(alphabet)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_tokens([AddedToken(mark, special=mark not in TEXT_MARKS, normalized=False) for mark in marks])
    if coordinates:
        raw.add_tokens([AddedToken(f"<{number}>", special=False, normalized=False) for number in range(1000)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=eos, pad_token="<|endoftext|>")


def qwen2_5_vl(
    folder: Path, *, coordinates: bool = True, spare: int = 0, tied: bool = True, width: int = 32, pixels: int = PIXELS
) -> Path:
    """A Qwen2.5-VL of some 100,000 weights that sees pictures of `pixels` (48 x 48: nine tokens)."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = tokenizer_of(QWEN_MARKS, "<|im_end|>", coordinates=coordinates, spare=spare)
    vision = {"depth": 1, "hidden_size": width, "intermediate_size": width, "num_heads": 2, "patch_size": 8,
              "spatial_merge_size": 2, "window_size": 32, "fullatt_block_indexes": [0],
              "out_hidden_size": width}  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=_qwen_text(tokenizer, width, tied), vision_config=vision, tie_word_embeddings=tied,
        **_qwen_marks(tokenizer)
    )  # fmt: skip
    images = {"size": {"shortest_edge": pixels, "longest_edge": pixels}, "patch_size": 8, "merge_size": 2}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**images),
        tokenizer,
        Qwen2VLVideoProcessor(**images),
        chat_template=_template("qwen2_5_vl"),
    )
    return _save(Qwen2_5_VLForConditionalGeneration, config, processor, folder)


def qwen3_vl(folder: Path, *, coordinates: bool = True, spare: int = 0, tied: bool = True, width: int = 32) -> Path:
    """A Qwen3-VL of some 100,000 weights that sees pictures of 48 x 48 pixels."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = tokenizer_of(QWEN_MARKS, "<|im_end|>", coordinates=coordinates, spare=spare)
    vision = {"depth": 1, "hidden_size": width, "intermediate_size": width, "num_heads": 2, "patch_size": 8,
              "spatial_merge_size": 2, "out_hidden_size": width, "num_position_embeddings": 36,
              "deepstack_visual_indexes": [0]}  # fmt: skip
    config = Qwen3VLConfig(
        text_config=_qwen_text(tokenizer, width, tied) | {"head_dim": width // 2}, vision_config=vision,
        tie_word_embeddings=tied, **_qwen_marks(tokenizer)
    )  # fmt: skip
    images = {"size": {"shortest_edge": PIXELS, "longest_edge": PIXELS}, "patch_size": 8, "merge_size": 2}
    processor = Qwen3VLProcessor(
        Qwen2VLImageProcessor(**images), tokenizer, Qwen3VLVideoProcessor(**images), chat_template=_template("qwen3_vl")
    )
    return _save(Qwen3VLForConditionalGeneration, config, processor, folder)


def smolvlm(folder: Path, *, coordinates: bool = True, spare: int = 0, tied: bool = True, width: int = 32) -> Path:
    """An Idefics3, SmolVLM's architecture, of some 100,000 weights: pictures of 48 x 48 pixels, nine tokens."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor, Idefics3Processor

    tokenizer = tokenizer_of(SMOLVLM_MARKS, "<end_of_utterance>", coordinates=coordinates, spare=spare)
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    config = Idefics3Config(
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": width,
                     "intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 2,
                     "num_key_value_heads": 2, "max_position_embeddings": 4096, "pad_token_id": pad,
                     "bos_token_id": None, "eos_token_id": eos, "tie_word_embeddings": tied},
        vision_config={"hidden_size": width, "intermediate_size": width, "num_hidden_layers": 1,
                       "num_attention_heads": 2, "image_size": 48, "patch_size": 8},
        scale_factor=2, image_token_id=tokenizer.convert_tokens_to_ids("<image>"), pad_token_id=pad,
        tie_word_embeddings=tied,
    )  # fmt: skip
    images = Idefics3ImageProcessor(
        size={"longest_edge": 48}, max_image_size={"longest_edge": 48}, do_image_splitting=False
    )
    processor = Idefics3Processor(images, tokenizer, image_seq_len=9, chat_template=_template("smolvlm"))
    return _save(Idefics3ForConditionalGeneration, config, processor, folder)


FAMILIES: dict[str, Callable[..., Path]] = {"qwen2.5-vl": qwen2_5_vl, "qwen3-vl": qwen3_vl, "smolvlm": smolvlm}


def _qwen_text(tokenizer: Any, width: int, tied: bool) -> dict[str, Any]:
    quarter = width // 4  # half a head's size, which mrope splits over time, height and width
    return {
        "vocab_size": len(tokenizer), "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                            "mrope_section": [quarter - 2 * (3 * quarter // 8), 3 * quarter // 8, 3 * quarter // 8]},
        "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": tied,
    }  # fmt: skip


def _qwen_marks(tokenizer: Any) -> dict[str, int]:
    marks = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    marks |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()}


def _template(name: str) -> str:
    # TRL patches the stock templates of the models by their exact text; the copy is TRL's own.
    return resources.files("trl").joinpath(f"chat_templates/{name}.jinja").read_text("utf-8")


def _save(kind: Any, config: Any, processor: Any, folder: Path) -> Path:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
