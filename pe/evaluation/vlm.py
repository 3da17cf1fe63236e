"""Vision-language models by name, the conversation that a sample is, and what a processor sees of its picture."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pe.annotators._pretrained import load_model, reading
from pe.annotators.base import AdapterSettings, ModelInfo
from pe.annotators.checkpoints import resolve
from pe.engines.devices import resolve_device
from pe.errors import InputError, ModelError, SampleError
from pe.formats import Format, Size
from pe.registry import load, require
from pe.schemas.sample import Sample
from pe.shards.exports._base import LeftOut
from pe.shards.exports._rows import IMAGE_MARK, messages

Message = dict[str, Any]

_MEDIA = re.compile(r"(image|video|audio|vision|vision_start|vision_end)_token_(id|index)$")


@dataclass(frozen=True)
class Vlm:
    """An image-text-to-text model of transformers in eval mode, its processor (padding on the left), and who it is."""

    model: Any
    processor: Any
    info: ModelInfo

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer


def load_vlm(name: str, device: str = "auto", dtype: str = "auto") -> Vlm:
    """The model `name`: a folder, a hub id (ORG/NAME[@REVISION]), or the short name of one that ships with `pe`.

    `device` is auto, cpu or cuda[:i]; `dtype` a torch dtype's name, "auto" is the checkpoint's own on a GPU and float32
    on a CPU. Raises ModelError, one line, for what is not there (at once when offline), cannot be read, has no chat
    template for pictures, or whose keys are not all those of the model; InputError for a device that is not there.
    """
    require("a vision-language model", "models", "torch", "torchvision", "transformers")
    import transformers

    from pe.evaluation.images_once import encode_each_once

    where = resolve_device(device, uses_torch=True)
    checkpoint = resolve("transformers", name)
    if not checkpoint.path.is_dir():
        raise ModelError(f"{checkpoint.path}: not a folder with config.json, weights and a processor")
    shown = checkpoint.info.model
    with reading(shown):
        processor = transformers.AutoProcessor.from_pretrained(checkpoint.path, local_files_only=True)
        config = transformers.AutoConfig.from_pretrained(checkpoint.path, local_files_only=True)
    if not getattr(processor, "chat_template", None) or not hasattr(processor, "image_processor"):
        raise ModelError(f"{shown}: its processor has no chat template for pictures")
    processor.tokenizer.padding_side = "left"
    settings = AdapterSettings(device=where, dtype=_dtype(dtype, where, config))
    model = load_model(transformers.AutoModelForImageTextToText, checkpoint, settings)
    encode_each_once(model)
    return Vlm(model, processor, checkpoint.info)


def messages_of(sample: Sample, *, answer: bool = False) -> list[Message]:
    """The conversation of an sft or rl sample for a chat template: every content a list of image and text parts.

    The <image> mark becomes the picture's part, the line break after it goes. It ends with the question, or with
    `answer` as an sft sample does. Raises InputError for an annotated sample and for one without exactly one picture.
    """
    if sample.kind == "annotated":
        raise InputError(f"{sample.key} is an annotated sample, which asks nothing: `pe build-rl` makes rows of it")
    try:
        found = messages(sample)
    except LeftOut as error:
        raise InputError(f"{sample.key} has no conversation that a model can be asked: {error}") from None
    if sample.kind == "sft" and not answer:
        found = found[:-1]
    return [{"role": message["role"], "content": _parts(message["content"])} for message in found]


@lru_cache(maxsize=4096)
def seen_size(processor: Any, image: Size) -> Size | None:
    """(width, height) in pixels that `processor` makes of a picture of `image` = (width, height).

    None where that cannot be told: it cuts the picture into tiles. Found by trying a blank picture, once a size. Raises
    SampleError "refused" for a picture that it does not take.
    """
    from PIL import Image

    try:
        made = processor.image_processor(images=[Image.new("RGB", image)], return_tensors="pt")
    except ValueError as error:  # Qwen's, for one, refuses sides of more than 200 to 1
        raise SampleError("refused", f"no picture of {image[0]} x {image[1]}: {str(error)[:200]}") from None
    if "image_grid_thw" in made:
        patch = int(processor.image_processor.patch_size)
        _, tall, wide = (int(number) for number in made["image_grid_thw"][0])
        return wide * patch, tall * patch
    pixels = made.get("pixel_values")
    if getattr(pixels, "ndim", 0) == 4 and len(pixels) == 1:
        return int(pixels.shape[3]), int(pixels.shape[2])
    return None


def check_seen(processor: Any, sample: Sample) -> None:
    """Raise InputError where a sample's answers are in pixels of what the model sees, and it sees another size.

    The sample says which size it was made for (`input_width`, `input_height`; 0: by its format's own rule). Nothing is
    checked of formats that do not depend on it, and where the processor does not tell. Raises SampleError "refused" for
    a picture that the processor does not take.
    """
    form = _format(json.loads(sample.verifier.params_json).get("format", ""))
    if form is None:
        return
    image = (sample.width, sample.height)
    wanted = (sample.input_width, sample.input_height)
    if min(wanted) < 1:
        wanted = form.input_size(image)
    try:
        size = seen_size(processor, image)
    except SampleError as error:
        raise SampleError(error.reason, f"{sample.key}: {error.detail}") from None
    if size is not None and size != wanted:
        raise InputError(
            f"{sample.key} has coordinates for a picture seen as {wanted[0]} x {wanted[1]}, and this model's processor "
            f"makes {size[0]} x {size[1]} of its {image[0]} x {image[1]}: build the rows for this model, in a format "
            "that fits it, or set the processor's least and most pixels to those of the rows"
        )


def media_tokens(vlm: Vlm) -> list[int]:
    """The ids of tokens that stand for pictures, films and sounds, which no answer may hold; sorted.

    A model that writes one asks for a picture that is not there, and training on such an answer fails.
    """
    found = {value for name, value in vlm.model.config.to_dict().items() if _MEDIA.match(name)}
    return sorted(token for token in found if isinstance(token, int) and token >= 0)


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The ids of tokens that end an answer: those of the generation configuration, the tokenizer's, and padding.

    Base models end with what pads; nothing follows it.
    """
    ends = model.generation_config.eos_token_id
    own = {ends} if isinstance(ends, int) else set(ends or ())
    return own | {tokenizer.eos_token_id, tokenizer.pad_token_id} - {None}


def answer_text(tokenizer: Any, tokens: Sequence[int], ends: Collection[int]) -> str:
    """The text of an answer's `tokens` up to the first that ends it.

    Special tokens stay: those around an answer's boxes are such in Qwen's tokenizers, and without them nothing is left.
    """
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    return str(tokenizer.decode(tokens[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False))


@lru_cache(maxsize=64)
def _format(name: str) -> Format | None:
    """The format of this name if its coordinates are pixels of what the model sees, else None."""
    form: Format | None = load("formats", name)() if name else None
    return form if form is not None and type(form).input_size is not Format.input_size else None


def _parts(content: str) -> list[Message]:
    before, mark, after = content.partition(IMAGE_MARK)
    if not mark:
        return [{"type": "text", "text": content}]
    texts = before, after.removeprefix("\n")
    parts: list[Message] = [{"type": "text", "text": text} for text in texts]
    parts.insert(1, {"type": "image"})
    return [part for part in parts if part["type"] == "image" or part["text"]]


def _dtype(word: str, device: str, config: Any) -> str:
    import torch

    if word == "auto":
        word = "float32" if device == "cpu" else str(config.dtype or torch.float32).removeprefix("torch.")
    if not isinstance(getattr(torch, word, None), torch.dtype):
        raise InputError(f"{word!r} is not a dtype of torch, such as float32 or bfloat16")
    return word
