"""What captions from vision-language models share: what is asked, of which pixels, and what of the reply is kept."""

from __future__ import annotations

import math
import re

from PIL import Image

from pe.annotators.base import Instance
from pe.annotators.captioners._english import clean
from pe.errors import SampleError
from pe.shards.pictures import Picture

PROMPT = (
    "Describe this picture in one or two plain sentences: what is in it, how many of each, where and doing what. "
    "Name only what can be seen."
)
REGION_PROMPT = "Describe the {phrase} in the middle of this picture in one short phrase. Name only what can be seen."

LONGEST, LONGEST_REGION = 1536, 768
REGION_MARGIN, SMALLEST_REGION = 0.15, 64
MAX_CHARACTERS = 4000

_REFUSAL = re.compile(
    r"(i'?m |i am )?(very )?(sorry|unable to)\b|i (can(no|')t|won't) (assist|help|describe|provide|do )"
)


def region_prompt(instance: Instance) -> str:
    """The question for one instance's crop."""
    return REGION_PROMPT.format(phrase=clean(instance.phrase))


def whole(picture: Picture) -> Image.Image:
    """The picture in RGB, its longest side at most 1536 pixels."""
    return _shrunk(picture.image.convert("RGB"), LONGEST)


def region(picture: Picture, instance: Instance) -> Image.Image:
    """The instance's box with 0.15 of its size around it, at least 64 pixels where there are as many; at most 768."""
    x0, y0, x1, y1 = instance.box
    dx = max(REGION_MARGIN * (x1 - x0), (SMALLEST_REGION - (x1 - x0)) / 2)
    dy = max(REGION_MARGIN * (y1 - y0), (SMALLEST_REGION - (y1 - y0)) / 2)
    area = (
        max(math.floor(x0 - dx), 0),
        max(math.floor(y0 - dy), 0),
        min(math.ceil(x1 + dx), picture.width),
        min(math.ceil(y1 + dy), picture.height),
    )
    return _shrunk(picture.image.crop(area).convert("RGB"), LONGEST_REGION)


def tidy(text: str, *, cut: bool = False) -> str:
    """A model's reply as one line of at most 4000 characters; with `cut` (it hit the token limit) up to its last full
    sentence, if it has one. Reasoning before "</think>" and what cannot be printed are dropped.

    Raises SampleError "caption" when nothing is left or the reply is a refusal.
    """
    text = text[: 64 * MAX_CHARACTERS].rpartition("</think>")[2]
    if text.lstrip().startswith("<think>"):
        text = ""
    joiners = "\u200c\u200d"  # part of how some scripts and emoji are written
    text = " ".join("".join(sign if sign.isprintable() or sign in joiners else " " for sign in text).split())
    if len(text) > MAX_CHARACTERS:
        text, cut = text[:MAX_CHARACTERS], True
    if cut:
        end = max(text.rfind(stop) for stop in (". ", "! ", "? "))
        text = text[: end + 1] if end > 0 else text
    if not text.strip(joiners):
        raise SampleError("caption", "the model's reply is empty")
    if _REFUSAL.match(text.lower().replace("\u2019", "'")):
        raise SampleError("caption", f"the model refused: {text[:100]}")
    return text


def _shrunk(image: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)
