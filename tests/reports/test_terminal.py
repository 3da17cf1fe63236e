from __future__ import annotations

import io
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from pe.reports.terminal import half_blocks, plain, print_sample
from pe.schemas.sample import Object, Sample, dumps, objects_to_json
from tests.shards import factory

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\u202eexe [red]x[/red]"


def _print(sample: Sample, image: bytes, **options: object) -> str:
    console = Console(file=io.StringIO(), width=100, height=40, highlight=False, **options)  # type: ignore[arg-type]
    print_sample(console, sample, image)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _evil() -> tuple[Sample, bytes]:
    image = factory.picture(1)
    dropped = [{"phrase": EVIL, "bbox": [0, 0, 2, 2], "reason": EVIL, "score": 0.25}]
    objects = [Object(id=0, phrase=EVIL, score=0.5, bbox=(2, 2, 20, 12), caption=EVIL, text=EVIL, ring_iou=0.9375)]
    update = {
        "objects_json": objects_to_json(objects),
        "caption": EVIL,
        "source": EVIL,
        "negatives_json": dumps([EVIL]),
        "provenance_json": dumps({"detector": {"model": EVIL}, EVIL: [EVIL], "dropped": dropped}),
    }
    return factory.sample("key-1", image).model_copy(update=update), image


@given(st.text())
def test_plain_leaves_nothing_that_steers(text: str) -> None:
    for char in plain(text):
        assert char in " \u00a0\u200c\u200d" or unicodedata.category(char)[0] not in "CZ"


def test_plain_keeps_words() -> None:
    assert plain("café 猫 👩\u200d🚀 [b]") == "café 猫 👩\u200d🚀 [b]"
    assert plain("a\x1b[2J\nb\u202e") == "a\\x1b[2J\\nb\\u202e"


def test_words_without_a_terminal() -> None:
    text = _print(*_evil())
    assert not [char for char in text if unicodedata.category(char)[0] == "C" and char != "\n"]
    assert "\\x1b]0;owned\\x07" in text
    assert "[red]x[/red]" in text
    for word in ("key-1", "1 object", "0.5000", "2.0, 2.0, 20.0, 12.0", "0.9375", "1 dropped", "not found", "detector"):
        assert word in text
    assert "▀" not in text


def test_only_colour_codes_reach_a_terminal() -> None:
    text = _print(*_evil(), force_terminal=True, color_system="truecolor", legacy_windows=False)
    assert "▀" in text
    assert not [
        char for char in re.sub(r"\x1b\[[0-9;]*m", "", text) if unicodedata.category(char) == "Cc" and char != "\n"
    ]


def test_no_color_means_no_picture() -> None:
    assert "▀" not in _print(*_evil(), force_terminal=True, no_color=True)


def test_a_broken_picture_does_not_hide_the_record() -> None:
    sample, image = _evil()
    text = _print(sample, image[:50], force_terminal=True, color_system="truecolor")
    assert "cannot be decoded" in text
    assert "key-1" in text


@pytest.mark.parametrize(("size", "expected"), [((80, 40), (40, 10)), ((40, 80), (20, 20)), ((1000, 3), (40, 1))])
def test_half_blocks_fit_and_keep_the_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    stream = io.BytesIO()
    Image.new("RGB", size, (10, 20, 30)).save(stream, "PNG")
    sample = factory.sample("k", stream.getvalue())
    lines = half_blocks(Image.new("RGB", size, (10, 20, 30)), sample, [], 40, 20).plain.splitlines()
    assert (len(lines[0]), len(lines)) == expected
    assert {len(line) for line in lines} == {expected[0]}


def test_boxes_are_outlined_where_they_are() -> None:
    image = Image.fromarray(np.full((32, 48, 3), 7, np.uint8))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    box = Object(id=0, phrase="cat", bbox=(12, 8, 36, 24))
    text = half_blocks(image, factory.sample("k", stream.getvalue()), [box], 48, 16)
    background = {"#070707"}
    marked = set()
    for span in text.spans:
        style = span.style
        assert not isinstance(style, str)
        for half, colour in enumerate((style.color, style.bgcolor)):
            if colour is not None and colour.name not in background:
                for position in range(span.start, span.end):
                    marked.add((position % 49, position // 49 * 2 + half))
    edge = {(x, y) for x in range(12, 36) for y in (8, 23)} | {(x, y) for x in (12, 35) for y in range(8, 24)}
    assert marked == edge
