"""Masks from SAM and SAM 2 as transformers has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pe.annotators._pretrained import load_model, reading
from pe.annotators.base import AdapterSettings, Instance, ModelInfo, Segment, Segmenter
from pe.annotators.checkpoints import Checkpoint, resolve
from pe.annotators.segmenters._masks import box_chunks, to_segments, too_thin
from pe.errors import ModelError
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["Transformers"]

# The hub's sam2.1 checkpoints are video models; their image part is a Sam2Model.
_CLASSES = {"sam": "SamModel", "sam2": "Sam2Model", "sam2_video": "Sam2Model"}


class Transformers(Segmenter):
    """One mask a box, from one embedding a picture, with SamModel or Sam2Model as the checkpoint's config says.

    `settings.model` is a folder, a hub id or a short name (default sam-vit-base); `settings.dtype` and
    `settings.device` hold for the whole model.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        require("the transformers segmenter", "models", "torch", "torchvision", "transformers")
        checkpoint = resolve("transformers", settings.model or "sam-vit-base")
        self._info = checkpoint.info
        self._model, self._processor = _load(checkpoint, settings)

    @property
    def info(self) -> ModelInfo:
        """The checkpoint the masks come from."""
        return self._info

    def segment(self, picture: Picture, instances: Sequence[Instance]) -> Iterator[Segment]:
        """One Segment per instance with predicted IoU and stability; "empty_mask", "small_mask" (under 4 pixels) or
        "thin_picture" (its short side vanishes at the model's input size) where there is no mask.
        """
        import torch

        if not instances:
            return
        longest = self._processor.size.longest_edge
        if longest and min(picture.width, picture.height) * longest < 0.5 * max(picture.width, picture.height):
            yield from too_thin(instances)
            return
        inputs = self._processor(images=picture.image.convert("RGB"), return_tensors="pt")
        pixels = inputs["pixel_values"]
        size = [(picture.height, picture.width)]
        shrunk = [tuple(row) for row in inputs.get("reshaped_input_sizes", [])]  # SAM pads, SAM 2 stretches
        height, width = shrunk[0] if shrunk else pixels.shape[-2:]
        scale = torch.tensor([width / picture.width, height / picture.height] * 2)
        with torch.inference_mode():
            embeddings = self._model.get_image_embeddings(pixels.to(self._model.device, self._model.dtype))
        for boxes in box_chunks(picture, instances):
            with torch.inference_mode():
                prompts = (torch.tensor(boxes) * scale)[None].to(self._model.device)
                answer = self._model(image_embeddings=embeddings, input_boxes=prompts, multimask_output=False)
                (logits,) = self._processor.post_process_masks(
                    [answer.pred_masks[0].float()], size, *([shrunk] if shrunk else []), binarize=False
                )
                segments = to_segments(logits[:, 0], answer.iou_scores[0, :, 0].float(), self.settings.mask_threshold)
            del logits
            yield from segments


def _load(checkpoint: Checkpoint, settings: AdapterSettings) -> tuple[Any, Any]:
    """The model with all of its weights, and its image processor."""
    import transformers

    name, folder = checkpoint.info.model, checkpoint.path
    if not folder.is_dir():
        raise ModelError(f"{folder}: not a folder with config.json, model.safetensors and preprocessor_config.json")
    with reading(name):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        kind = _CLASSES.get(config.model_type)
        if kind is None:
            raise ModelError(f"{name}: a {config.model_type} model, not one of {', '.join(_CLASSES)}")
        # PIL resizes as segment-anything does, and the same on every device; SAM 2 has a torchvision processor alone.
        backend = "pil" if kind == "SamModel" else "torchvision"
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend=backend)
    return load_model(getattr(transformers, kind), checkpoint, settings), processor
