"""Grounding DINO as published: groundingdino-py and its checkpoints (https://github.com/IDEA-Research/GroundingDINO)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from PIL import Image

from pe.annotators.base import AdapterSettings, ModelInfo
from pe.annotators.checkpoints import resolve
from pe.annotators.detectors._finish import Floats
from pe.annotators.detectors._phrases import Prompt, PromptedDetector
from pe.annotators.detectors._processed import pixels, too_thin
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["GroundingDinoDetector"]

_SHORTEST, _LONGEST = 800, 1333
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class GroundingDinoDetector(PromptedDetector):
    """A published checkpoint by short name (default: groundingdino-swint) or path, or a folder that transformers saved.

    A batch has one prompt and one picture size: groundingdino-py gives pictures of a batch each other's text masks.
    Half precision runs as autocast, since the model itself mixes in float32.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        require("detector groundingdino", "models", "torch", "torchvision", "transformers", "groundingdino")
        import torch

        from pe.annotators.detectors._groundingdino import build

        checkpoint = resolve("groundingdino", settings.model or "groundingdino-swint")
        self._info = checkpoint.info
        self._built = build(checkpoint.path)
        self._dtype = getattr(torch, settings.dtype)
        self._built.module.to(settings.device)
        super().__init__(settings, self._built.tokenizer, self._built.text_limit)

    @property
    def info(self) -> ModelInfo:
        return self._info

    def _apart(self, prompt: Prompt) -> Hashable:
        return prompt.text

    def refuse(self, picture: Picture) -> tuple[str, str] | None:
        return too_thin(self._built.images, picture) if self._built.images else None

    def _pixels(self, picture: Picture) -> Any:
        import torch

        if self._built.images:  # transformers rounds the sides in another way
            return pixels(self._built.images, picture)
        image = Image.fromarray(picture.array)
        size = resized(picture.width, picture.height, _SHORTEST, _LONGEST)
        if size != image.size:
            image = image.resize(size, Image.Resampling.BILINEAR)
        values = (np.asarray(image, np.float32) / np.float32(255) - _MEAN) / _DEVIATION
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))

    def _forward(self, pixels: list[Any], prompts: list[Prompt]) -> list[tuple[Any, Floats]]:
        import torch
        from groundingdino.util.misc import nested_tensor_from_tensor_list

        device = torch.device(self.settings.device)
        pictures = nested_tensor_from_tensor_list([item.to(device) for item in pixels])
        half = torch.autocast(device.type, dtype=self._dtype, enabled=self._dtype != torch.float32)
        with torch.inference_mode(), half, self._built.running():
            outputs = self._built.module(pictures, captions=[prompt.text for prompt in prompts])
        scores = outputs["pred_logits"].float().sigmoid().cpu().numpy()
        boxes = outputs["pred_boxes"].double().cpu().numpy()
        return list(zip(scores, boxes, strict=True))


def resized(width: int, height: int, shortest: int, longest: int) -> tuple[int, int]:
    """The size at which the model sees a picture: shorter side `shortest`, or less so that the longer is `longest`."""
    low, high = min(width, height), max(width, height)
    if high / low * shortest > longest:
        shortest = max(1, round(longest * low / high))
    if width < height:
        return shortest, int(shortest * height / width)
    return int(shortest * width / height), shortest
