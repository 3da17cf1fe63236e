"""What the answers of SAM-like models become: masks with their predicted IoU and stability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pe.annotators.base import Box, Instance, Segment
from pe.shards.pictures import Picture

MAX_BOXES = 64
MAX_LOGITS = 1 << 26  # at the picture's size at once: 256 MiB of float32
MIN_PIXELS = 4


def box_chunks(picture: Picture, instances: Sequence[Instance]) -> Iterator[list[Box]]:
    """The boxes in order, as many at once as their masks at the picture's size may take in memory."""
    count = max(1, min(MAX_BOXES, MAX_LOGITS // (picture.width * picture.height)))
    for start in range(0, len(instances), count):
        yield [instance.box for instance in instances[start : start + count]]


def to_segments(logits: Any, ious: Any, threshold: float) -> list[Segment]:
    """Segments of mask logits (N, H, W) and predicted IoUs (N,), both torch tensors.

    A pixel belongs to the mask above `threshold`. Stability is the IoU of the masks cut one logit higher and one
    lower (Segment Anything, Kirillov et al. 2023, `calculate_stability_score`). No pixel at all is an "empty_mask",
    fewer than 4 a "small_mask".
    """
    masks = (logits > threshold).cpu().numpy()
    high = (logits > threshold + 1).sum((-2, -1)).tolist()
    low = (logits > threshold - 1).sum((-2, -1)).tolist()
    segments = []
    for mask, iou, inner, outer in zip(masks, ious.tolist(), high, low, strict=True):
        pixels = int(mask.sum())
        if pixels < MIN_PIXELS:
            segments.append(Segment(None, reason="small_mask" if pixels else "empty_mask"))
        else:
            segments.append(Segment(mask.copy(), predicted_iou=iou, stability=inner / outer))
    return segments


def too_thin(instances: Sequence[Instance]) -> list[Segment]:
    """For a picture whose short side vanishes at the model's input size."""
    return [Segment(None, reason="thin_picture") for _ in instances]
