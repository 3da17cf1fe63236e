"""What Qwen2-VL and Qwen2.5-VL see of an image: the rule of their image processor."""

from __future__ import annotations

import math

from pe.errors import InputError
from pe.formats._answer import Size

FACTOR = 28
MIN_PIXELS = 56 * 56
MAX_PIXELS = 14 * 14 * 4 * 1280


def smart_resize(image: Size, factor: int = FACTOR, min_pixels: int = MIN_PIXELS, max_pixels: int = MAX_PIXELS) -> Size:
    """(width, height) after resizing: multiples of `factor`, between `min_pixels` and `max_pixels`, the ratio kept.

    The rule of QwenLM/Qwen2-VL (qwen_vl_utils) and of transformers' image processor, whose defaults these are. Python's
    rounding to even is part of it. Raises InputError for a side ratio above 200, as they do.
    """
    width, height = image
    if max(image) > 200 * min(image):
        raise InputError(
            f"Qwen's processor takes no image with a side ratio above 200 (this one is {width} x {height})"
        )
    tall, wide = round(height / factor) * factor, round(width / factor) * factor
    if tall * wide > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        tall = max(factor, math.floor(height / beta / factor) * factor)
        wide = max(factor, math.floor(width / beta / factor) * factor)
    elif tall * wide < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        tall = math.ceil(height * beta / factor) * factor
        wide = math.ceil(width * beta / factor) * factor
    return wide, tall
