"""Pictures as an image processor of transformers' Grounding DINO hands them to the model."""

from __future__ import annotations

from typing import Any

from pe.shards.pictures import Picture


def pixels(processor: Any, picture: Picture) -> Any:
    """The picture as a float32 tensor (3, H, W); alone, so that nothing is padded."""
    return processor(images=[picture.array.copy()], return_tensors="pt", input_data_format="channels_last")[
        "pixel_values"
    ][0]


def too_thin(processor: Any, picture: Picture) -> tuple[str, str] | None:
    """(rule, detail) when the processor's resize would leave the shorter side no pixel, where it fails; else None."""
    low, high = sorted((picture.width, picture.height))
    longest = processor.size.get("longest_edge")
    if longest and longest * low < high:
        return "too_thin", f"{picture.width}x{picture.height} has no pixel left at the model's {longest} px"
    return None
