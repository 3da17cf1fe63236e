"""Coordinate tokens: one each, back as text, in every family, through saving and loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pe.errors import ModelError
from pe.evaluation.vlm import Vlm, answer_text, end_tokens, load_vlm
from pe.training.vocabulary import add_coordinates, check_coordinates
from tests import vlms


def saved(vlm: Vlm, folder: Path) -> Vlm:
    vlm.model.save_pretrained(folder)
    vlm.processor.save_pretrained(folder)
    return load_vlm(str(folder), "cpu")


@pytest.mark.parametrize("family", vlms.FAMILIES)
@pytest.mark.parametrize("spare", [0, 1200])
def test_tokens_are_taken_or_appended(family: str, spare: int, tmp_path: Path) -> None:
    vlm = load_vlm(str(vlms.FAMILIES[family](tmp_path / "plain", coordinates=False, spare=spare)), "cpu")
    before = vlm.model.get_input_embeddings().num_embeddings
    weights = vlm.model.get_input_embeddings().weight.detach().clone()
    new = add_coordinates(vlm.model, vlm.processor, "rexomni")
    assert len(new) == 1000
    again = saved(vlm, tmp_path / "again")
    embeddings = again.model.get_input_embeddings()
    assert embeddings.num_embeddings == (before if spare else before + 1000)
    assert new[-1] == (256 + spare - 1 if spare else before + 999)
    assert bool((embeddings.weight[:before] == weights).all())
    text = "a <12><999><0> cat<|box_end|>"
    ids = again.tokenizer.encode(text, add_special_tokens=False)
    assert [ids[2], ids[3], ids[4]] == [new[12], new[999], new[0]]
    assert again.tokenizer.decode(ids, skip_special_tokens=True) == text
    assert add_coordinates(again.model, again.processor, "rexomni") == []


def test_formats_without_tokens_change_nothing(tmp_path: Path) -> None:
    vlm = load_vlm(str(vlms.qwen2_5_vl(tmp_path, coordinates=False)), "cpu")
    assert add_coordinates(vlm.model, vlm.processor, "qwen2.5-vl") == []


def test_native_tokens_have_to_be_there(tmp_path: Path) -> None:
    vlm = load_vlm(str(vlms.qwen2_5_vl(tmp_path, coordinates=False)), "cpu")
    with pytest.raises(ModelError, match="does not have"):
        add_coordinates(vlm.model, vlm.processor, "paligemma")


def test_tokens_that_are_special_ones_stay_in_answers(tmp_path: Path) -> None:
    from transformers import AddedToken

    vlm = load_vlm(str(vlms.qwen2_5_vl(tmp_path, coordinates=False)), "cpu")
    tokens: list[Any] = [AddedToken(f"<{number}>", special=True) for number in range(1000)]
    vlm.tokenizer.add_tokens(tokens, special_tokens=True)
    check_coordinates(vlm.tokenizer, "rexomni")
    text = "<|box_start|><1><2><3><4><|box_end|>"
    ids = [*vlm.tokenizer.encode(text), vlm.tokenizer.eos_token_id, vlm.tokenizer.pad_token_id]
    assert answer_text(vlm.tokenizer, ids, end_tokens(vlm.model, vlm.tokenizer)) == text
