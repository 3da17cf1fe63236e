"""JSON and Python literals: Qwen2.5-VL, Qwen3-VL, V-Triune, VLM-R1 and what is read like them."""

from __future__ import annotations

import json

import pytest

from pe.errors import InputError
from pe.formats import Answer, Decoded, Item
from pe.formats._resize import smart_resize
from pe.registry import load

CAT = Answer((Item("cat's tail", bbox=(10.0, 20.0, 300.0, 400.0)),), thought="I look.")


def read(text: str, name: str = "qwen3-vl") -> Decoded:
    decoded: Decoded = load("formats", name)().decode(text, (1000, 1000), (1000, 1000))
    return decoded


JSON = '```json\n[\n\t{"bbox_2d": [10, 20, 300, 400], "label": "cat\'s tail"}\n]\n```'
PYTHON = "[{'bbox_2d': [10, 20, 300, 400], 'label': \"cat's tail\"}]"
THINK = "<think>\nI look.\n</think>\n<answer>\n{}\n</answer>"
GOLDEN = {
    "qwen3-vl": JSON,
    "qwen2.5-vl": JSON,
    "v-triune": THINK.format(PYTHON),
    "vlm-r1": THINK.format(JSON),
}


@pytest.mark.parametrize(("name", "text"), GOLDEN.items())
def test_golden_strings(name: str, text: str) -> None:
    form = load("formats", name)()
    assert form.encode(CAT, (1000, 1000), (1000, 1000)) == text
    decoded = read(text, name)
    assert decoded.objects == CAT.objects
    assert decoded.thought in ("", CAT.thought)


def test_pixels_are_those_of_the_resized_image() -> None:
    form = load("formats", "qwen2.5-vl")()
    assert form.input_size((640, 480)) == (644, 476)
    text = form.encode(Answer((Item(bbox=(0, 0, 640, 480)),)), (640, 480))
    assert "[0, 0, 644, 476]" in text
    assert form.decode(text, (640, 480)).objects[0].bbox == (0, 0, 640, 480)
    assert form.decode(text, (640, 480), (1288, 952)).objects[0].bbox == (0, 0, 320, 240)


@pytest.mark.parametrize("size", [(640, 480), (28, 28), (29, 5000), (8000, 6000), (10, 1999), (1, 200), (870, 1398)])
def test_the_resize_rule_is_the_processors(size: tuple[int, int]) -> None:
    reference = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl")
    height, width = reference.smart_resize(size[1], size[0])
    assert smart_resize(size) == (width, height)
    with pytest.raises(InputError, match="ratio above 200"):
        smart_resize((1, 201))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('Sure! [{"bbox_2d": [1, 2, 30, 40], "label": "cat"}] Hope it helps.', None),
        ("[{'bbox_2d': [1, 2, 30, 40], 'label': 'cat'}]", "a Python literal"),
        ("[{'bbox_2d': (1, 2, 30, 40), 'label': 'cat', 'x': None}]", "a Python literal"),
        ('{"cat": [1, 2, 30, 40]}', None),
        ('{"objects": [{"name": "cat", "bounding_box": {"x1": 1, "y1": 2, "x2": 30, "y2": 40}}]}', None),
        ('{"label": "cat", "bbox": "[1, 2, 30, 40]"}', None),
        ('<think>[9, 9, 9, 9] or so</think>\n<answer>{"bbox": [1, 2, 30, 40], "label": "cat"}</answer>', None),
        ('<answer>[9, 9, 9, 9]</answer><answer>{"bbox": [1, 2, 30, 40], "label": "cat"}</answer>', None),
    ],
)
def test_other_forms_are_read_as_they_stand(text: str, note: str | None) -> None:
    decoded = read(text)
    assert decoded.objects == (Item("cat", bbox=(1, 2, 30, 40)),)
    assert decoded.status == "ok"
    assert note is None or note in decoded.notes


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("[{'bbox_2d': [1, 2, 30, 40], 'label': 'dog's tail'}]", "a quote inside a string"),
        ('[{"bbox_2d": [1, 2, 30, 40], "label": "dog\'s tail",},]', "a trailing comma"),
        ('[{"bbox_2d": [30, 40, 1, 2], "label": "dog\'s tail"}]', "corners were swapped"),
        ('<answer>[{"bbox_2d": [1, 2, 30, 40], "label": "dog\'s tail"}]', "the answer tag is not closed"),
        ('[{"bbox_2d": [1, 2, 30, 40], "label": "dog\'s tail"}, {"bbox_2d": [1, 2], "label": "a"}]', "wrong count"),
        ('[{"bbox_2d": [1, 2, 30, 40], "label": "dog\'s tail"}, {"bbox_2d": [1, 2, 3, 4000]}]', "off the grid"),
    ],
)
def test_what_is_mended_is_said(text: str, note: str) -> None:
    decoded = read(text)
    assert decoded.objects == (Item("dog's tail", bbox=(1, 2, 30, 40)),)
    assert decoded.status == "repaired"
    assert any(note in said for said in decoded.notes)


@pytest.mark.parametrize("name", ["qwen3-vl", "qwen2.5-vl", "v-triune", "vlm-r1"])
def test_no_cut_of_an_answer_invents_or_changes_an_object(name: str) -> None:
    boxes = tuple(Item(f"cat {n}", bbox=(n, 20 + n, 300 + n, 400 + n)) for n in range(3))
    text = load("formats", name)().encode(Answer(boxes), (1000, 1000), (1000, 1000))
    for end in range(len(text)):
        cut = read(text[:end], name).objects
        assert [item.bbox for item in cut] == [item.bbox for item in boxes[: len(cut)]], text[:end]
        assert all(item.phrase in ("", box.phrase) for item, box in zip(cut, boxes, strict=False))
        assert len(cut) < 2 or all(item.phrase for item in cut)


def test_a_cut_point_is_no_shorter_list() -> None:
    decoded = read('[{"point_2d": [1, 2], "label": "a"}, {"point_2d": [3')
    assert (decoded.objects, decoded.status) == ((Item("a", point=(1, 2)),), "truncated")
    assert read("[5, 6").objects == ()
    assert read("[[1, 2, 3, 4], [5, 6").objects == (Item(bbox=(1, 2, 3, 4)),)


DECLINES = (
    *("None", "[]", "```json\n[]\n```", "<answer>None</answer>", "<answer>[]</answer>", "There are none."),
    *(
        "No objects found.",
        "The image does not contain a cat.",
        "I couldn't find any cat here. Shall I look for a dog?",
    ),
)


@pytest.mark.parametrize("text", DECLINES)
def test_a_decline_is_none_present(text: str) -> None:
    decoded: Decoded = load("formats", "vlm-r1")().decode(text, (64, 48), asked="cat")
    assert (decoded.status, decoded.objects, decoded.absent) == ("none-present", (), ("cat",))


@pytest.mark.parametrize("text", ["", "I see a cat", "!!!!" * 60, "['No ObjectsOutputOutput", "[[0, 5, " + "9" * 400])
def test_what_is_no_answer_is_unparsable(text: str) -> None:
    assert read(text).status == "unparsable"


def test_thinking_without_an_end_is_truncated() -> None:
    decoded = read("<think> the box is [1, 2, 3, 4] and", "vlm-r1")
    assert (decoded.status, decoded.objects) == ("truncated", ())


def test_fractions_and_pixels_beyond_the_image_are_noted() -> None:
    assert read("[0.1, 0.2, 0.5, 0.75]").objects == (Item(bbox=(100, 200, 500, 750)),)
    decoded = read('{"bbox_2d": [-3, 2, 30, 1010]}', "qwen2.5-vl")
    assert decoded.objects == (Item(bbox=(0, 2, 30, 1000)),)
    assert decoded.notes == ("coordinates outside the image were put on its border",)


def test_asked_names_what_has_no_label() -> None:
    decoded = load("formats", "qwen3-vl")().decode('[{"bbox_2d": [1, 2, 3, 4]}]', (1000, 1000), asked="the cat")
    assert decoded.objects[0].phrase == "the cat"


def test_labels_of_any_characters_survive() -> None:
    for label in ('a "quoted" one', "it's", "back\\slash", "brace } ] [", "日本語 🙂", "line\nbreak", "a, 'b': c"):
        for name in ("qwen3-vl", "v-triune", "vlm-r1"):
            answer = Answer((Item(label, bbox=(1, 2, 3, 4)), Item(label, bbox=(5, 6, 7, 8))))
            text = load("formats", name)().encode(answer, (1000, 1000), (1000, 1000))
            assert read(text, name).objects == answer.objects, label


def test_compat_reads_are_the_published_ones() -> None:
    assert read("<answer>[{'bbox_2d': [7, 7, 9, 9], 'label': 'a'}]</answer>", "v-triune-compat").objects
    assert not read('<answer>[{"bbox_2d": [7, 7, 9, 9]}]</answer>', "v-triune-compat").objects
    floor = load("formats", "v-triune-compat")().decode(
        "<answer>[{'bbox_2d': [1, 1, 9, 9]}]</answer>", (640, 480), (644, 476)
    )
    assert floor.objects[0].bbox == pytest.approx((0.64, 0.96, 8.32, 8.64))
    text = "<answer>```json\n" + json.dumps([{"bbox_2d": [9, 9, 1, 1], "label": "a"}]) + "\n```</answer>"
    assert read(text, "vlm-r1-compat").objects == (Item("a", bbox=(9, 9, 1, 1)),)
    assert not read(text.replace("```json", ""), "vlm-r1-compat").objects
