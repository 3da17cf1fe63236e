"""AdamW, or Muon with AdamW for what Muon does not take, with a rate for each part of the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

from pe.training.parts import check_parts, part_of
from pe.training.settings import GrpoStage, SftStage

Groups = list[dict[str, Any]]


def optimizer_of(model: Any, stage: SftStage | GrpoStage, undecayed: Iterable[str]) -> torch.optim.Optimizer:
    """The optimizer of a stage over the trained parameters of `model`; those named in `undecayed` get no weight decay.

    Muon (Jordan et al. 2024) takes 2-D weights of hidden layers, with updates scaled to AdamW's as in Moonlight
    (arXiv 2502.16982), so that one learning rate serves both. Embeddings and the output layer are AdamW's.
    """
    check_parts(model, list(stage.learning_rates), "learning_rates")
    outside = {id(layer.weight) for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer}
    plain = set(undecayed)
    muon: defaultdict[float, list[Any]] = defaultdict(list)
    adamw: defaultdict[tuple[float, float], list[Any]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = stage.learning_rates.get(part_of(name), stage.learning_rate)
        if stage.optim == "muon" and parameter.ndim == 2 and id(parameter) not in outside and "embed" not in name:
            muon[rate].append(parameter)
        else:
            adamw[rate, 0.0 if name in plain else stage.weight_decay].append(parameter)
    betas = (stage.adam_beta1, stage.adam_beta2)
    groups: Groups = [{"params": found, "lr": rate, "weight_decay": decay} for (rate, decay), found in adamw.items()]
    # Fused kernels are for devices that have them; on a CPU the plain loop keeps every bit whatever torch's version.
    on_cuda = all(parameter.is_cuda for group in groups for parameter in group["params"])
    parts: list[torch.optim.Optimizer] = []
    if groups:
        lr, eps = stage.learning_rate, stage.adam_epsilon
        parts.append(torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=on_cuda or None))
    if muon:
        hidden: Groups = [{"params": found, "lr": rate} for rate, found in muon.items()]
        lr, decay = stage.learning_rate, stage.weight_decay
        parts.append(torch.optim.Muon(hidden, lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return parts[0] if len(parts) == 1 else Together(parts)


class Together(torch.optim.Optimizer):  # type: ignore[misc]  # torch is not looked into
    """Several optimizers as one: their groups side by side, their states in one state dict."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        # Schedules with a floor measure it against this.
        self.defaults = {"lr": parts[0].defaults["lr"]}
        self._share()

    def _share(self) -> None:
        # A scheduler writes rates into the groups that it finds here.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Any = None) -> Any:
        """One step of each."""
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """{"parts": [...]}, one state dict each."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()
