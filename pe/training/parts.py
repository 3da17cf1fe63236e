"""The three parts of a vision-language model, by the names that the families of transformers give their modules."""

from __future__ import annotations

from typing import Any

from pe.errors import ModelError
from pe.training.settings import Part

_CONNECTORS = (
    *("merger", "deepstack_merger_list", "connector", "multi_modal_projector", "mm_projector", "projector"),
    *("vision_projection", "aligner", "embed_vision"),
)
_VISION = ("visual", "vision_model", "vision_tower", "vision_encoder", "vision_backbone", "image_encoder")


def part_of(name: str) -> Part:
    """The part that the parameter or module `name` belongs to; what is of neither vision nor connector is language.

    Qwen's connector, `visual.merger`, stands inside of the vision tower.
    """
    words = name.split(".")
    if any(word in _CONNECTORS for word in words):
        return "connector"
    return "vision" if any(word in _VISION for word in words) else "language"


def check_parts(model: Any, parts: list[Part], setting: str) -> None:
    """Raise ModelError where `model` has no parameter of one of `parts`."""
    there = {part_of(name) for name, _ in model.named_parameters()}
    for part in parts:
        if part not in there:
            raise ModelError(
                f"{setting}: {type(model).__name__} has no parameters of its {part} (it has {', '.join(sorted(there))})"
            )


def freeze(model: Any, parts: list[Part]) -> None:
    """Stop training of the parameters of `parts`; what shares a weight with another part stays trained."""
    check_parts(model, parts, "freeze")
    for name, parameter in model.named_parameters():
        if part_of(name) in parts:
            parameter.requires_grad_(False)
