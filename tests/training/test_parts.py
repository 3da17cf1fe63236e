"""Parts of the models of several families, and what an optimizer makes of them."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest

from pe.errors import ModelError
from pe.evaluation.vlm import load_vlm
from pe.training.optimizers import Together, optimizer_of
from pe.training.parts import freeze, part_of
from pe.training.settings import SftStage
from tests import vlms


@pytest.fixture(scope="module", params=sorted(vlms.FAMILIES))
def model(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_vlm(str(vlms.FAMILIES[request.param](tmp_path_factory.mktemp("model"))), "cpu").model


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.visual.blocks.0.attn.qkv.weight", "vision"),
        ("model.visual.merger.mlp.0.weight", "connector"),
        ("model.visual.deepstack_merger_list.0.linear_fc1.weight", "connector"),
        ("model.vision_model.encoder.layers.0.self_attn.q_proj.weight", "vision"),
        ("model.connector.modality_projection.proj.weight", "connector"),
        ("model.multi_modal_projector.linear_1.weight", "connector"),
        ("base_model.model.model.vision_tower.encoder.layer.0.weight", "vision"),
        ("model.language_model.layers.0.mlp.gate_proj.weight", "language"),
        ("lm_head.weight", "language"),
    ],
)
def test_names_tell_the_part(name: str, part: str) -> None:
    assert part_of(name) == part


def test_every_family_has_three_parts_and_any_can_be_frozen(model: Any) -> None:
    counts = Counter(part_of(name) for name, _ in model.named_parameters())
    assert set(counts) == {"vision", "connector", "language"}
    freeze(model, ["vision", "connector"])
    trained = {part_of(name) for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"language"}
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def test_rates_are_by_part_and_muon_takes_hidden_matrices(model: Any) -> None:
    stage = SftStage(optim="muon", learning_rate=1e-3, learning_rates={"vision": 1e-4}, weight_decay=0.1)
    undecayed = [name for name, parameter in model.named_parameters() if parameter.ndim < 2]
    optimizer = optimizer_of(model, stage, undecayed)
    assert isinstance(optimizer, Together)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    adamw, muon = (
        {id(item): group for group in part.param_groups for item in group["params"]} for part in optimizer.parts
    )
    assert not adamw.keys() & muon.keys()
    assert adamw.keys() | muon.keys() == names.keys()
    for known in (adamw, muon):
        for number, group in known.items():
            assert group["lr"] == (1e-4 if part_of(names[number]) == "vision" else 1e-3)
            decays = known is muon or names[number] not in undecayed
            assert group["weight_decay"] == (0.1 if decays else 0.0)
    assert {names[number] for number in muon if "embed" in names[number] or "head" in names[number]} == set()
    assert id(model.get_input_embeddings().weight) in adamw
    assert len(muon) > 5


def test_its_state_comes_back(model: Any) -> None:
    import torch

    def stepped(optimizer: Any) -> None:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter) * 0.01
        optimizer.step()

    stage = SftStage(optim="muon", learning_rate=1e-3)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    one = optimizer_of(model, stage, [])
    stepped(one)
    middle = [parameter.detach().clone() for parameter in model.parameters()]
    state = deepcopy(one.state_dict())
    stepped(one)
    end = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter, value in zip(model.parameters(), middle, strict=True):
        parameter.data.copy_(value)
    two = optimizer_of(model, stage, [])
    two.load_state_dict(state)
    stepped(two)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), end, strict=True))
    for parameter, value in zip(model.parameters(), weights, strict=True):
        parameter.data.copy_(value)


def test_a_part_that_is_not_there_is_named(model: Any) -> None:
    with pytest.raises(ModelError, match="no parameters of its connector"):
        freeze(model.get_output_embeddings(), ["connector"])


@pytest.mark.parametrize("optim", ["adamw", "muon"])
def test_a_schedule_with_a_floor_ends_at_it(model: Any, optim: Any) -> None:
    from transformers import get_scheduler

    stage = SftStage(optim=optim, learning_rate=5e-5)
    optimizer = optimizer_of(model, stage, [])
    floor = {"min_lr": 2e-6}
    schedule = get_scheduler("cosine_with_min_lr", optimizer, 0, 10, scheduler_specific_kwargs=floor)
    for _ in range(10):
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2e-6] * len(optimizer.param_groups))
