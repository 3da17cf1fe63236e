"""Formats that are only read, `auto` among them, and those whose answer is words."""

from __future__ import annotations

import pytest

from pe.formats import Answer, Decoded, Item
from pe.registry import load

SIZE = (1000, 1000)


def read(text: str, name: str = "auto", asked: str = "") -> Decoded:
    decoded: Decoded = load("formats", name)().decode(text, SIZE, asked=asked)
    return decoded


@pytest.mark.parametrize(
    ("name", "text", "objects"),
    [
        ("deepseek-vl2", "<|ref|>cat<|/ref|><|det|>[[0, 0, 999, 999]]<|/det|>", [("cat", (0, 0, 1000, 1000))]),
        ("gemini", '[{"box_2d": [2, 1, 4, 3], "label": "a"}]', [("a", (1, 2, 3, 4))]),
        ("gemini", '[{"point": [20, 10], "label": "b"}]', [("b", (10, 20))]),
        ("glm", 'The "red cup" is at <|begin_of_box|>[[1, 2, 3, 4]]<|end_of_box|>.', [("red cup", (1, 2, 3, 4))]),
        (
            "ui-tars",
            "Thought: go\nAction: drag(start_box='(1,2)', end_box='(3,4)')",
            [("drag", (1, 2)), ("drag", (3, 4))],
        ),
        ("ui-tars", "Action: click(start_box='<|box_start|>(1,2)<|box_end|>')", [("click", (1, 2))]),
        ("ui-tars", "Action: click(point='<point>1 2</point>')", [("click", (1, 2))]),
        ("pyautogui", "pyautogui.moveTo(10, 20)", [("moveTo", (10, 20))]),
        ("pyautogui", "pyautogui.click(x=0.5, y=0.25)", [("click", (500, 250))]),
        ("visual-rft", "<answer>[{'Position': [1, 2, 3, 4], 'Confidence': 0.9}]</answer>", [("", (1, 2, 3, 4))]),
        (
            "tool-call",
            '<tool_call>\n{"name": "use", "arguments": {"action": "click", "coordinate": [5, 6]}}\n</tool_call>',
            [("click", (5, 6))],
        ),
    ],
)
def test_read_only_formats(name: str, text: str, objects: list[tuple[str, tuple[float, ...]]]) -> None:
    for reader in (name, "auto"):
        decoded = read(text, reader)
        assert [(item.phrase, tuple(item.numbers())) for item in decoded.objects] == objects, reader
        assert decoded.status == "ok"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<|box_start|>(1,2),(3,4)<|box_end|>", "qwen2-vl"),
        ("<|box_start|><1><2><3><4><|box_end|>", "rexomni"),
        ('{"person1": {"bbox": " <1> <2> <3> <4> ", "keypoints": {}}}', "rexomni"),
        ("<ref>a</ref><box><1><2></box>", "locateanything"),
        ("<ref>a</ref><box>[[1, 2, 3, 4]]</box>", "internvl"),
        ('<point x="1" y="2" alt="a">a</point>', "molmo"),
        ('<points x1="200" y1="2" alt="a">a</points>', "qwen3-vl"),
        ('<points coords="1 1 100 200">a</points>', "molmo2"),
        ("It is at [[[0.1, 0.2], [0.3, 0.4], [0.5, 0.1]]].", "simpleseg"),
        ('[{"bbox_2d": [1, 2, 3, 4]}]', "qwen3-vl"),
        ('[{"bbox_2d": [1, 2, 1300, 4]}]', "qwen2.5-vl"),
        ("[0.1, 0.2, 0.3, 0.4]", "qwen3-vl"),
        ('{"answer": "x"}', "json-values"),
        (r"so \boxed{42}", "boxed"),
        ("Answer: B", "choice"),
        ("A cat on a sofa.", "text"),
    ],
)
def test_auto_names_the_format(text: str, name: str) -> None:
    assert read(text).notes[0] == f"read as {name}"


def test_auto_takes_an_input_size_for_pixels() -> None:
    decoded = load("formats", "auto")().decode('[{"bbox_2d": [1, 2, 30, 40]}]', SIZE, (500, 500))
    assert decoded.objects == (Item(bbox=(2, 4, 60, 80)),)


def test_auto_reads_a_decline() -> None:
    decoded = read("I cannot find a zebra in this picture.", asked="zebra")
    assert (decoded.status, decoded.absent) == ("none-present", ("zebra",))
    assert read("No").text == "No"


def test_molmopoint_is_never_coordinates() -> None:
    decoded = read('<points coords="<POINT_276><POINT_727><POINT_731>1<POINT_725>">background</points>')
    assert (decoded.status, decoded.objects) == ("unparsable", ())


@pytest.mark.parametrize(
    ("text", "answer", "status"),
    [
        (r"so \boxed{\frac{1}{2}} or \boxed{0.5}.", "0.5", "ok"),
        (r"<answer>\boxed{\{1, 2\}}</answer>", r"\{1, 2\}", "ok"),
        (r"\boxed{\frac{1}{2}", "", "truncated"),
        ("42", "", "unparsable"),
    ],
)
def test_boxed(text: str, answer: str, status: str) -> None:
    assert (read(text, "boxed").text, read(text, "boxed").status) == (answer, status)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(C)", "C"),
        ("A. The first", "A"),
        ("It may be A or B. So the answer is (C).", "C"),
        ("Correct answer: **B. Blue.**", "B"),
        (r"Thus \boxed{\text{D}}", "D"),
        ("It first turns left, then turns right.", ""),
        ("It turns back, then turns left. So: turn left, turn right.", "C"),
        ("A dog, I think", ""),
    ],
)
def test_choice(text: str, letter: str) -> None:
    asked = "Where? Options:\nA. Turn Back, Turn Left\nB. Turn Left, Turn Left\nC. Turn Left, Turn Right"
    assert read(text, "choice", asked).text == letter


def test_json_values_are_json() -> None:
    decoded = read("```json\n{'a': None, 'b': [1, 2,], 'c': 'it's'}\n```", "json-values")
    assert (decoded.text, decoded.status) == ('{"a": null, "b": [1, 2], "c": "it\'s"}', "repaired")
    cut = read('{"a": "x", "b": "y', "json-values")
    assert (cut.text, cut.status) == ('{"a": "x"}', "truncated")


def test_text_and_thought() -> None:
    decoded = read("<think>hm</think>\n<answer> 42 </answer><|im_end|>", "text")
    assert (decoded.text, decoded.thought) == ("42", "hm")
    assert (
        load("formats", "text")().encode(Answer(text="42", thought="hm"), SIZE)
        == "<think>hm</think>\n<answer>42</answer>"
    )
    for loop in ("ab" * 300, "!" * 60, "The image shows " + "a cat and " * 40):
        assert read(loop, "text").status == "unparsable"
