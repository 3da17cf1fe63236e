"""How long a row is for a model, and what the model sees of its picture: by the model's own files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pe import registry
from pe.errors import InputError
from pe.formats import Size
from pe.formats._resize import MAX_PIXELS, MIN_PIXELS, smart_resize


@dataclass(frozen=True)
class Patches:
    """Qwen2-VL's image processor and its kin: a token a square of `square` pixels, between `least` and `most` pixels.

    https://github.com/huggingface/transformers, models/qwen2_vl/image_processing_qwen2_vl.py
    """

    square: int
    least: int
    most: int

    @staticmethod
    def of(config: dict[str, Any]) -> Patches | None:
        """From the configuration of an image processor; None for one of another kind."""
        square = int(config.get("patch_size") or 0) * int(config.get("merge_size") or 0)
        if not square:
            return None
        size = config.get("size") or {}
        least = config.get("min_pixels") or size.get("shortest_edge") or MIN_PIXELS
        most = config.get("max_pixels") or size.get("longest_edge") or MAX_PIXELS
        return Patches(square, int(least), int(most))

    def size(self, image: Size) -> Size:
        """(width, height) of what the model sees of an image of `image`. Raises InputError for a ratio above 200."""
        return smart_resize(image, self.square, self.least, self.most)

    def count(self, image: Size) -> int:
        """The tokens of a picture of `image` = (width, height) pixels."""
        width, height = self.size(image)
        return (width // self.square) * (height // self.square)


class TokenCounter:
    """Counts text with the tokenizer in a folder or on the hub, and pictures by the processor beside it.

    Text counts without the chat template's own marks. Pictures count where the processor is of Qwen2-VL's kind (see
    Patches); `patches` is None for others, whose pictures are not counted. Without a tokenizer every row has 0.
    """

    def __init__(self, name: str) -> None:
        self._tokenizer: Any = None
        self.patches: Patches | None = None
        if not name:
            return
        registry.require("counting tokens", "models", "transformers")
        from transformers import AutoTokenizer
        from transformers.image_processing_base import ImageProcessingMixin

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"tokenizer {name}: cannot be loaded: {reason}; name a folder or a hub id") from None
        try:
            self.patches = Patches.of(ImageProcessingMixin.get_image_processor_dict(name)[0])
        except OSError:
            return  # a tokenizer alone
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"tokenizer {name}: the configuration of its image processor: {error}") from None

    def count(self, texts: Sequence[str], image: Size) -> int:
        """Tokens of `texts` and of a picture of `image` = (width, height) pixels, as it is stored."""
        if self._tokenizer is None:
            return 0
        ids = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return sum(map(len, ids)) + (self.patches.count(image) if self.patches else 0)
