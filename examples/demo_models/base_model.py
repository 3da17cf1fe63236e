"""The small base: a Qwen2.5-VL built from its configuration, with tokenizer, processor and chat template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import yaml

from pe.engines.synthetic.looks import COLOURS, SIZES, TEXTURES
from pe.engines.synthetic.outlines import SHAPES

SIDE, PATCH, MERGE = 128, 8, 2
GRID = SIDE // PATCH
CELLS = GRID // MERGE
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
COORDINATES = 1000
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>")  # fmt: skip
# A decoder that drops special tokens must not drop these: they are the answer.
MARKS = ("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>",
         "<|quad_end|>", "<think>", "</think>", "<answer>", "</answer>")  # fmt: skip
MERGES = 1200
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def corpus() -> Iterator[str]:
    """What the tokenizer learns its pieces from: every wording that ships, and how things are called."""
    home = Path(__file__).parents[2] / "pe" / "formats" / "wordings"
    for path in sorted(home.glob("*.yaml")):
        yield from _texts(yaml.safe_load(path.read_text("utf-8")))
    for shape in SHAPES:
        for colour in COLOURS:
            for first in (*SIZES, *TEXTURES, *COLOURS):
                yield f"{first} {colour} {shape}"
            yield from (f"A {colour} {shape}, two {colour} {shape}s and a {shape}.", shape, colour)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def tokenizer(texts: Iterable[str]) -> object:
    """Byte-level BPE, digits apart as Qwen splits them; the coordinate tokens <0> .. <999> are ordinary ones."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    raw = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r"\p{N}|[^\s\p{L}\p{N}]+| ?\p{L}+|\s+"), "isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=256 + MERGES, initial_alphabet=alphabet))
    raw.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    numbers = [f"<{number}>" for number in range(COORDINATES)]
    raw.add_tokens([AddedToken(token, special=False, normalized=False) for token in (*MARKS, *numbers)])
    fast = Qwen2TokenizerFast(
        tokenizer_object=raw, eos_token=SPECIAL[2], pad_token=SPECIAL[0], unk_token=None, bos_token=None
    )
    fast.padding_side = "left"
    return fast


def processor(folder: Path) -> object:
    """Tokenizer, picture processor and chat template together, saved to `folder`."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}
    pictures = Qwen2VLImageProcessor(patch_size=PATCH, merge_size=MERGE, size=size)
    videos = Qwen2VLVideoProcessor(patch_size=PATCH, merge_size=MERGE, size=size)
    made = Qwen2_5_VLProcessor(
        image_processor=pictures, tokenizer=tokenizer(corpus()), video_processor=videos, chat_template=TEMPLATE
    )
    made.save_pretrained(folder)
    return made


def build(words: object, width: int = 144, layers: int = 5, tower: int = 128, blocks: int = 5) -> torch.nn.Module:
    """The model for the tokenizer `words`: coordinates near each other start out alike."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    number = words.convert_tokens_to_ids
    vision = {
        "depth": blocks, "hidden_size": tower, "intermediate_size": 2 * tower, "num_heads": 4, "patch_size": PATCH,
        "spatial_merge_size": MERGE, "out_hidden_size": width, "window_size": SIDE,
        "fullatt_block_indexes": list(range(blocks)),
    }  # fmt: skip
    # Rows and columns need frequencies that tell eight cells apart, and what a thing is has to be found at any
    # distance, by the lowest ones: of 18 the two highest are for time, two for rows, the rest for columns.
    section = [2, 2, width // 8 - 4]
    text = {
        "hidden_size": width, "intermediate_size": 5 * width // 2, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": len(words), "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": section},
        "bos_token_id": None, "eos_token_id": number("<|im_end|>"), "pad_token_id": number("<|endoftext|>"),
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=True,
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"), vision_end_token_id=number("<|vision_end|>"),
    )  # fmt: skip
    config.text_config.tie_word_embeddings = True
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = number("<|im_end|>")
    model.generation_config.pad_token_id = number("<|endoftext|>")
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        first = number("<0>")
        place = torch.arange(COORDINATES, dtype=torch.float32)[:, None] / COORDINATES
        rate = torch.exp(torch.linspace(math.log(math.pi), math.log(60 * math.pi), width // 4))
        wave = torch.cat([(place * rate).sin(), (place * rate).cos()], 1)
        table[first : first + COORDINATES, : wave.shape[1]] = 0.02 * wave
    return model


def patches(pixels: np.ndarray) -> torch.Tensor:
    """(B, SIDE, SIDE, 3) uint8 -> (B, GRID * GRID, 3 * 2 * PATCH * PATCH), as Qwen2VLImageProcessor orders them."""
    x = (pixels.astype(np.float32) / 255 - MEAN) / DEVIATION
    batch = len(x)
    x = x.reshape(batch, CELLS, MERGE, PATCH, CELLS, MERGE, PATCH, 3)
    x = x.transpose(0, 1, 4, 2, 5, 7, 3, 6).reshape(batch, GRID * GRID, 3, 1, PATCH * PATCH)
    return torch.from_numpy(np.ascontiguousarray(np.repeat(x, 2, 3).reshape(batch, GRID * GRID, -1)))


def positions() -> torch.Tensor:
    """(GRID * GRID, 2) row and column of each patch in that order."""
    rows = torch.arange(GRID)[:, None].expand(GRID, GRID)
    both = torch.stack([rows, rows.T], -1).reshape(CELLS, MERGE, CELLS, MERGE, 2)
    return both.permute(0, 2, 1, 3, 4).reshape(-1, 2)


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Attention in plain products: on a CPU, in bfloat16, half the time of the library's."""
    weights = (q * scale) @ k.transpose(-1, -2)
    return (weights if bias is None else weights + bias).softmax(-1) @ v


def see(visual: torch.nn.Module, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `visual` makes of a batch of equal pictures: patches (B, GRID^2, tower) and cells (B, CELLS^2, width).

    The library goes through a batch picture by picture; tests hold both against each other.
    """
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision

    batch, count, _ = flat.shape
    hidden = visual.patch_embed(flat.reshape(batch * count, -1))
    cos, sin = visual.rotary_pos_emb(hidden, positions())
    cos, sin = cos.repeat(batch, 1), sin.repeat(batch, 1)
    for block in visual.blocks:
        attention = block.attn
        q, k, v = attention.qkv(block.norm1(hidden)).reshape(batch * count, 3, attention.num_heads, -1).unbind(1)
        q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
        q, k, v = (part.reshape(batch, count, attention.num_heads, -1).transpose(1, 2) for part in (q, k, v))
        mixed = attend(q, k, v, attention.scaling)
        hidden = hidden + attention.proj(mixed.transpose(1, 2).reshape(batch * count, -1))
        hidden = hidden + block.mlp(block.norm2(hidden))
    cells = visual.merger(hidden)
    return hidden.reshape(batch, count, -1), cells.reshape(batch, CELLS * CELLS, -1)
