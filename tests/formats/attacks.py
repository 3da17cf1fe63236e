"""Texts that make careless readers slow: one short piece over and over, after a beginning that opens something."""

from __future__ import annotations

from itertools import product

PIECES = (
    *(
        "[",
        "[]",
        "[1]",
        "[[",
        "{",
        '{"a":1},',
        '{"a":',
        "(",
        "(((",
        "[{",
        "]",
        "}",
        ",",
        ":",
        "1,",
        "1.",
        "9",
        "-",
        "a ",
        " ",
    ),
    *(
        '"',
        "'",
        "'a' ",
        "'a', ",
        '"a":"b",',
        "\\",
        '\\"',
        "\\u",
        "\n",
        "\t",
        "' ",
        "```json\n",
        "```",
        "[1,2,3,4],",
        "[1,2,",
    ),
    *(
        "<1>",
        "<1><2><3><4>,",
        "<",
        ">",
        "<|",
        "<|box_start|>",
        "<|box_start|><1>",
        "<|object_ref_start|>",
        "<|box_end|>",
    ),
    *(
        "<|object_ref_start|>a<|object_ref_end|>",
        "(1,2),",
        "(1,2),(3,4)",
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
    ),
    *(
        "</think>\\boxed{",
        "\\boxed{",
        "{}",
        "<point ",
        '<points x1="1" ',
        '<point x="1" y="1"/>',
        'x="1" ',
        "<loc_1>",
        "<loc0001>",
    ),
    *(
        '<points coords="1 1 100 200"',
        "1 100 200 ",
        "<patch_index_0001>",
        "<object>",
        "<phrase>a</phrase>",
        "<ref>",
        "<box>",
    ),
    *(
        "<ref>a</ref><box>[[",
        "<|det|>[[",
        "<|ref|>a<|/ref|><|det|>",
        "<|begin_of_box|>[",
        "click(start_box='(",
        "click(",
        "a(",
    ),
    *(
        "pyautogui.click(x=1,",
        "Action: ",
        "A. a ",
        "answer: A ",
        "**A**",
        "no ",
        "not ",
        "None",
        "</s>",
        "<|im_end|>",
        "<seg001>",
    ),
    *(
        "bbox_2d: [1,2,3,4]",
        "'bbox_2d': [1, 2, 3, 4], 'label': 'it's', ",
        "{'bbox_2d': [1,2,3,4], 'label': 'a'},",
        ";",
        " ; ",
    ),
    *('"bbox_2d": [0.1, ', "<box><1><2>", "<box>none</box>", "é", "\x00", "\ud800"),
)
OPENINGS = ("", "[", '["', "{'a':'", '{"bbox_2d": ', "<think>", "<answer>[", "<|box_start|>", "<points ", "\\boxed{")


def attacks(size: int) -> list[tuple[str, str]]:
    """(name, text of `size` characters) of every opening and piece."""
    return [
        (f"{opening!r} + {piece!r}", (opening + piece * (size // len(piece) + 1))[:size])
        for opening, piece in product(OPENINGS, PIECES)
    ]
