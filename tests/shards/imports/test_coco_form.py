from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pe.annotators._coco_file import read_coco
from pe.shards.imports._coco_form import CocoForm, numbers


@pytest.mark.parametrize("box", [[10**400, 1, 2, 3], [1e308, 1, 2, 3], [float("nan"), 1, 2, 3], [True, 1, 2, 3], "box"])
def test_a_box_is_four_coordinates(box: Any) -> None:
    with pytest.raises(ValueError, match="4 numbers are expected"):
        numbers(box)


@pytest.mark.parametrize("side", [float("inf"), float("nan"), "wide", [40]])
def test_a_size_is_whole_numbers(side: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="width and height are whole numbers"):
        CocoForm(tmp_path).image("1.jpg", 40, side)


def test_half_a_character_becomes_an_escape(tmp_path: Path) -> None:
    form = CocoForm(tmp_path)
    image = form.image("1.jpg")
    form.say(image, "a\ud800", [form.add(image, "cup\ud800", [1, 2, 3, 4])])
    found = form.layout(str(tmp_path))
    assert found.extras["1.jpg"].expressions == [(r"a\ud800", ["1"])]
    assert read_coco(tmp_path, found.form).categories == [r"cup\ud800"]
