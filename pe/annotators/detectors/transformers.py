"""Zero-shot detection models of transformers: Grounding DINO, MM-Grounding-DINO (LLMDet), OWL-ViT, OWLv2, OmDet-Turbo.

Docs: https://huggingface.co/docs/transformers/tasks/zero_shot_object_detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from pe.annotators._pretrained import load_model, reading
from pe.annotators.base import AdapterSettings, Detections, Detector, ModelInfo, equal_batches
from pe.annotators.checkpoints import HARMLESS, resolve
from pe.annotators.detectors._finish import Floats, distinct, finish
from pe.annotators.detectors._phrases import Prompt, PromptedDetector
from pe.annotators.detectors._processed import pixels, too_thin
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["TransformersDetector"]

_PROMPTED = ("grounding-dino", "mm-grounding-dino")


class TransformersDetector(Detector):
    """The model in a local folder, the hub's cache, or of a short name (default: grounding-dino-tiny).

    Pictures share a batch when the model sees them at one size, so that no padding changes a score. Grounding DINO
    models read all phrases as one text and are scored phrase by phrase; the others take one query a phrase.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        require("detector transformers", "models", "torch", "torchvision", "transformers")
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        checkpoint = resolve("transformers", settings.model or "grounding-dino-tiny")
        self._info = checkpoint.info
        # The attention is left to the library: "eager" reads Grounding DINO's text mask wrongly.
        model = load_model(AutoModelForZeroShotObjectDetection, checkpoint, settings, harmless=HARMLESS)
        with reading(checkpoint.info.model):
            # Pillow's resize is the one that the published models were trained with.
            processor = AutoProcessor.from_pretrained(checkpoint.path, local_files_only=True, backend="pil")
        self._inner: Detector
        if model.config.model_type in _PROMPTED:
            self._inner = _Prompted(settings, model, processor, checkpoint.info)
        else:
            self._inner = _Queried(settings, model, processor, checkpoint.info)

    @property
    def info(self) -> ModelInfo:
        return self._info

    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        self._inner.settings = self.settings  # the engine halves the batch when memory runs out
        return self._inner.detect(pictures, phrases)

    def refuse(self, picture: Picture) -> tuple[str, str] | None:
        return self._inner.refuse(picture)


class _Prompted(PromptedDetector):
    """Grounding DINO and its kin; every picture of a batch may have its own prompt."""

    def __init__(self, settings: AdapterSettings, model: Any, processor: Any, info: ModelInfo) -> None:
        super().__init__(settings, processor.tokenizer, model.config.max_text_len)
        self._model, self._processor, self._info = model, processor, info

    @property
    def info(self) -> ModelInfo:
        return self._info

    def refuse(self, picture: Picture) -> tuple[str, str] | None:
        return too_thin(self._processor.image_processor, picture)

    def _pixels(self, picture: Picture) -> Any:
        return pixels(self._processor.image_processor, picture)

    def _forward(self, pixels: list[Any], prompts: list[Prompt]) -> list[tuple[Any, Floats]]:
        import torch

        text = self._processor.tokenizer(
            [prompt.text for prompt in prompts], padding=True, return_tensors="pt", return_token_type_ids=True
        )
        with torch.inference_mode():
            outputs = self._model(
                pixel_values=torch.stack(pixels).to(self._model.device, self._model.dtype),
                **text.to(self._model.device),
            )
        scores = outputs.logits.float().sigmoid().cpu().numpy()
        boxes = outputs.pred_boxes.double().cpu().numpy()
        return list(zip(scores, boxes, strict=True))


class _Queried(Detector):
    """Models with one text query a phrase, read through their processor's own post-processing."""

    def __init__(self, settings: AdapterSettings, model: Any, processor: Any, info: ModelInfo) -> None:
        super().__init__(settings)
        self._model, self._processor, self._info = model, processor, info
        size = dict(processor.image_processor.size)
        self._one_size = bool(size.get("height") and size.get("width"))
        read = processor.post_process_grounded_object_detection
        # A processor's own suppression is left to `finish`, which records what it removes.
        no_suppression = {"nms_threshold": 1.0} if "nms_threshold" in signature(read).parameters else {}
        self._read = partial(read, threshold=settings.box_threshold, **no_suppression)

    @property
    def info(self) -> ModelInfo:
        return self._info

    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        asked = [distinct(words) for words in phrases]
        results = [Detections() for _ in pictures]
        # Padded queries are not masked by every model, so only equal numbers of phrases go together.
        keys = [
            (len(words), None if self._one_size else (picture.width, picture.height))
            for picture, words in zip(pictures, asked, strict=True)
        ]
        for batch in equal_batches(keys, self.settings.batch_size):
            if not asked[batch[0]]:
                continue
            found = self._run([pictures[i] for i in batch], [asked[i] for i in batch])
            for i, (boxes, scores, labels) in zip(batch, found, strict=True):
                results[i] = finish(
                    boxes,
                    scores,
                    labels,
                    asked[i],
                    (pictures[i].width, pictures[i].height),
                    self.settings.nms_threshold,
                    asked=asked[i],
                    keep_suppressed=True,
                )
        return results

    def _run(self, pictures: list[Picture], phrases: list[list[str]]) -> list[tuple[Floats, Floats, Any]]:
        import torch

        inputs = self._processor(
            images=[picture.array.copy() for picture in pictures],
            text=phrases,
            return_tensors="pt",
            truncation=True,
            input_data_format="channels_last",
        ).to(self._model.device, self._model.dtype)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        sizes = [(picture.height, picture.width) for picture in pictures]
        found = self._read(outputs, target_sizes=sizes, text_labels=phrases)
        return [
            (
                item["boxes"].double().cpu().numpy(),
                item["scores"].double().cpu().numpy(),
                np.asarray(item["labels"].cpu(), np.int64),
            )
            for item in found
        ]
