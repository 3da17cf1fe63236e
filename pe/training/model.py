"""The model that a stage starts from: loaded, with the coordinate tokens of the run's format, parts of it frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.evaluation.vlm import load_vlm
from pe.training.arguments import default_dtype
from pe.training.parts import freeze
from pe.training.settings import GrpoStage, SftStage, TrainSettings
from pe.training.vocabulary import add_coordinates


@dataclass(frozen=True)
class Start:
    """A model and its processor, ready to be trained, and the ids of tokens that are new to it."""

    model: Any
    processor: Any
    new_tokens: list[int]

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer


def start_model(settings: TrainSettings, stage: SftStage | GrpoStage, name: str, checkpoint: Path | None) -> Start:
    """The model `name`, or for a run that goes on the full weights of `checkpoint`.

    transformers' own resume leaves the weights of several families as they are (their checkpoints have other names for
    them than their modules), so that the trainer has to be made from the checkpoint's folder. That of adapters holds
    the adapters alone, and that of sharded weights (FSDP) is read by the trainer itself. Trained weights are float32;
    those that adapters leave alone are of the run's dtype.
    """
    import torch

    dtype = "float32"
    if stage.lora is not None:
        dtype = default_dtype(settings.device) if settings.dtype == "auto" else settings.dtype
    whole = checkpoint is not None and stage.lora is None and any(checkpoint.glob("*.safetensors"))
    full = checkpoint if whole else None
    vlm = load_vlm(name if full is None else str(full), "cpu", dtype)
    set_pixels(vlm.processor, settings)
    torch.manual_seed(settings.seed)
    new = add_coordinates(vlm.model, vlm.processor, settings.format) if settings.format else []
    freeze(vlm.model, stage.freeze)
    return Start(vlm.model, vlm.processor, new)


def set_pixels(processor: Any, settings: TrainSettings) -> None:
    """Set what the image processor resizes to. Raises InputError where it has no such rule."""
    if settings.min_pixels is None and settings.max_pixels is None:
        return
    size = getattr(processor.image_processor, "size", None)
    if (
        size is None
        or "shortest_edge" not in size
        or "longest_edge" not in size
        or not hasattr(processor.image_processor, "merge_size")
    ):
        name = type(processor.image_processor).__name__
        raise InputError(f"min_pixels and max_pixels: {name} has no such rule; leave them out for this model")
    least = size["shortest_edge"] if settings.min_pixels is None else settings.min_pixels
    most = size["longest_edge"] if settings.max_pixels is None else settings.max_pixels
    processor.image_processor.size = (
        type(size)(shortest_edge=least, longest_edge=most)
        if not isinstance(size, dict)
        else {"shortest_edge": least, "longest_edge": most}
    )
