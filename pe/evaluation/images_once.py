"""A picture that several rows of a batch share goes through the vision tower once."""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType
from typing import Any

import torch


def encode_each_once(model: Any) -> None:
    """Let `model` encode equal pictures of a batch once, in training and generation; what it computes stays the same.

    A group of G responses in GRPO is G rows of one picture. It is for models whose pictures lie one after the other in
    one array of patches, with their sizes in `image_grid_thw` (Qwen2-VL and those after it); others stay as they are.
    """
    for module in model.modules():
        if hasattr(module, "visual") and hasattr(type(module), "get_image_features"):
            module.get_image_features = MethodType(_encode_once, module)


def _encode_once(
    module: Any, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor | None = None, **options: Any
) -> Any:
    encode = type(module).get_image_features
    if image_grid_thw is None or len(image_grid_thw) < 2:
        return encode(module, pixel_values, image_grid_thw, **options)
    pictures = pixel_values.split(image_grid_thw.prod(-1).tolist())
    firsts, which = _repeats(pictures)
    if len(firsts) == len(pictures):
        return encode(module, pixel_values, image_grid_thw, **options)
    output = encode(module, torch.cat([pictures[first] for first in firsts]), image_grid_thw[firsts], **options)
    output.pooler_output = tuple(output.pooler_output[place] for place in which)
    deep = getattr(output, "deepstack_features", None)
    if deep is not None:
        output.deepstack_features = [tuple(level[place] for place in which) for level in deep]
    return output


def _repeats(pictures: Sequence[torch.Tensor]) -> tuple[list[int], list[int]]:
    """The index of the first picture of each kind, and for every picture which of these it equals."""
    firsts: list[int] = []
    which = []
    for index, picture in enumerate(pictures):
        for place, first in enumerate(firsts):
            if pictures[first].shape == picture.shape and torch.equal(pictures[first], picture):
                which.append(place)
                break
        else:
            which.append(len(firsts))
            firsts.append(index)
    return firsts, which
