"""Masks from Segment Anything (Kirillov et al. 2023) through the segment-anything package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pe.annotators.base import AdapterSettings, Instance, ModelInfo, Segment, Segmenter
from pe.annotators.checkpoints import resolve
from pe.annotators.segmenters._masks import box_chunks, to_segments, too_thin
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["SegmentAnything"]


class SegmentAnything(Segmenter):
    """One mask a box, from one embedding a picture.

    `settings.model` is a short name (default sam-vit-b), a .pth as Meta published it, or a folder that transformers'
    SamModel saved, of any size. The package's decoder runs in float32 alone: a lower `settings.dtype` goes to the
    image encoder, which is where the time goes.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        require("the sam segmenter", "models", "torch", "torchvision", "transformers", "segment_anything")
        from segment_anything import SamPredictor

        from pe.annotators.segmenters._sam_build import build

        checkpoint = resolve("sam", settings.model or "sam-vit-b")
        self._info = checkpoint.info
        self._predictor = SamPredictor(build(checkpoint.path).to(settings.device))

    @property
    def info(self) -> ModelInfo:
        """The checkpoint the masks come from."""
        return self._info

    def segment(self, picture: Picture, instances: Sequence[Instance]) -> Iterator[Segment]:
        """One Segment per instance with predicted IoU and stability; "empty_mask", "small_mask" (under 4 pixels) or
        "thin_picture" (its short side vanishes at the model's input size) where there is no mask.
        """
        import torch

        predictor, size = self._predictor, (picture.height, picture.width)
        shape = predictor.transform.get_preprocess_shape(*size, predictor.transform.target_length)
        if not instances:
            return
        if not all(shape):
            yield from too_thin(instances)
            return
        device = torch.device(self.settings.device)
        dtype = getattr(torch, self.settings.dtype)
        with torch.inference_mode():
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                predictor.set_image(picture.array)
            predictor.features = predictor.features.float()
        for boxes in box_chunks(picture, instances):
            with torch.inference_mode():
                prompts = predictor.transform.apply_boxes_torch(torch.tensor(boxes, device=device), size)
                logits, ious, _ = predictor.predict_torch(
                    None, None, boxes=prompts, multimask_output=False, return_logits=True
                )
                segments = to_segments(logits[:, 0], ious[:, 0], self.settings.mask_threshold)
            del logits
            yield from segments
        predictor.reset_image()
