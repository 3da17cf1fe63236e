"""Formats of location tokens and tags: Qwen2-VL, Perception-R1, LocateAnything, PaliGemma, Florence-2, Kosmos-2, ..."""

from __future__ import annotations

import pytest

from pe.errors import InputError
from pe.formats import Answer, Decoded, Item
from pe.registry import load

SIZE = (1000, 500)
CAT = Item("cat", bbox=(100, 50, 300, 250))
DOG = Item("dog", bbox=(0, 0, 1000, 500))


def read(text: str, name: str, asked: str = "") -> Decoded:
    decoded: Decoded = load("formats", name)().decode(text, SIZE, asked=asked)
    return decoded


GOLDEN = {
    "qwen2-vl": "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(100,100),(300,500)<|box_end|>"
    "<|box_start|>(100,100),(300,500)<|box_end|>"
    "<|object_ref_start|>dog<|object_ref_end|><|box_start|>(0,0),(1000,1000)<|box_end|>",
    "locateanything": "<ref>cat</ref><box><100><100><300><500></box><box><100><100><300><500></box>"
    "<ref>dog</ref><box><0><0><1000><1000></box>",
    "paligemma": "<loc0102><loc0102><loc0512><loc0307> cat ; <loc0102><loc0102><loc0512><loc0307> cat ; "
    "<loc0000><loc0000><loc1023><loc1023> dog",
    "florence-2": "cat<loc_100><loc_100><loc_300><loc_500><loc_100><loc_100><loc_300><loc_500>"
    "dog<loc_0><loc_0><loc_999><loc_999>",
    "kosmos-2": "<phrase>cat</phrase><object><patch_index_0099><patch_index_0489></object>, "
    "<phrase>cat</phrase><object><patch_index_0099><patch_index_0489></object>, "
    "<phrase>dog</phrase><object><patch_index_0000><patch_index_1023></object>",
    "internvl": "<ref>cat</ref><box>[[100, 100, 300, 500], [100, 100, 300, 500]]</box>, "
    "<ref>dog</ref><box>[[0, 0, 1000, 1000]]</box>",
    "falcon-perception": "<|coord|><205><307><|size|><205><409><|seg|>" * 2
    + "<|coord|><512><512><|size|><1023><1023><|seg|>",
}


@pytest.mark.parametrize(("name", "text"), GOLDEN.items())
def test_golden_strings(name: str, text: str) -> None:
    assert load("formats", name)().encode(Answer((CAT, CAT, DOG)), SIZE) == text
    assert len(read(text, name).objects) == 3


@pytest.mark.parametrize(("name", "text"), GOLDEN.items())
def test_no_cut_of_an_answer_changes_a_shape(name: str, text: str) -> None:
    whole = [item.numbers() for item in read(text, name).objects]
    for end in range(len(text)):
        decoded = read(text[:end], name)
        assert [item.numbers() for item in decoded.objects] == whole[: len(decoded.objects)], text[:end]
        assert all(item.shape == "bbox" for item in decoded.objects)


def test_a_quad_has_four_corners() -> None:
    quad = Item("word", rings=((10, 10, 100, 15, 100, 50, 10, 50),))
    text = load("formats", "qwen2-vl")().encode(Answer((quad,)), SIZE)
    assert text.endswith("<|quad_start|>(10,20),(100,30),(100,100),(10,100)<|quad_end|>")
    assert read(text, "qwen2-vl").objects == (quad,)
    with pytest.raises(InputError, match="4 vertices"):
        load("formats", "qwen2-vl")().encode(Answer((Item(rings=((0, 0, 1, 0, 1, 1),)),)), SIZE)


def test_locateanything_has_1001_added_tokens_and_words_for_nothing() -> None:
    form = load("formats", "locateanything")
    assert (form.vocabulary.count, form.vocabulary.tokens()[-1]) == (1001, "<1000>")
    assert form.vocabulary.ids(151_669) == range(151_669, 152_670)
    assert read("<ref>cat</ref><box>none</box>", "locateanything").absent == ("cat",)
    assert read("<ref>cat</ref><box>(100,200,400,500)</box>", "locateanything").status == "unparsable"


def test_native_tokens_have_no_ids_of_their_own() -> None:
    with pytest.raises(ValueError, match="native"):
        load("formats", "paligemma").vocabulary.ids(257_152)


def test_perception_r1_takes_four_forms() -> None:
    box = "<|box_start|>(100,100),(300,500)<|box_end|>"
    assert read(box, "perception-r1", asked="cat").objects == (CAT,)
    assert len(read(box * 3, "perception-r1").objects) == 3
    assert read("[100, 100, 300, 500]", "perception-r1", asked="cat").objects == (CAT,)
    assert read("(100,100),(300,500)", "perception-r1", asked="cat").objects == (CAT,)
    resized = load("formats", "perception-r1")().input_size(SIZE)
    text = f'[{{"bbox_2d": [0, 0, {resized[0]}, {resized[1]}], "label": "dog"}}]'
    assert read(text, "perception-r1").objects == (DOG,)
    assert read("STOP, all lanes", "perception-r1").text == "STOP, all lanes"


def test_florence_boxes_polygons_and_captions() -> None:
    ring = Item("word", rings=((10, 10, 100, 15, 100, 50, 10, 50),))
    text = load("formats", "florence-2")().encode(Answer((CAT, ring)), SIZE)
    assert [item.shape for item in read(text, "florence-2").objects] == ["bbox", "rings"]
    tokens = "".join(f"<loc_{n}>" for n in (10, 10, 100, 9, 100, 90))
    parts = read(
        f"</s><s>a cat<poly>{tokens}</poly><poly>{tokens}<sep>{tokens}</poly>a dog<poly>{tokens}</poly></s>",
        "florence-2",
    )
    assert [item.phrase for item in parts.objects] == ["a cat", "a cat", "a cat", "a dog"]
    cut = read("</s><s>word<loc_1><loc_2><loc_3><loc_4>", "florence-2")
    assert (cut.objects, cut.status) == ((), "truncated")
    decoded = read("</s><s>A cat on a sofa.</s>", "florence-2")
    assert (decoded.text, decoded.status) == ("A cat on a sofa.", "ok")


def test_kosmos_and_internvl_keep_the_caption() -> None:
    text = "<grounding> A<phrase> cat</phrase><object><patch_index_0005><patch_index_1007></object> sits."
    assert read(text, "kosmos-2").text == "A cat sits."
    assert read("A <ref>cat</ref><box>[[1, 2, 3, 4]]</box> sits.", "internvl").text == "A cat sits."


def test_relations_are_no_objects() -> None:
    text = "<ref>cat</ref><box>[[1, 2, 3, 4]]</box><pred>on</pred><box>[[1, 2, 3, 4]]</box><box>[[5, 6, 7, 8]]</box>"
    assert [item.phrase for item in read(text, "internvl").objects] == ["cat"]
