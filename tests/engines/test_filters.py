from __future__ import annotations

import pytest
from PIL import Image

from pe.annotators.base import Instance
from pe.engines.filters._base import build_filters
from pe.errors import ConfigError, InputError
from pe.shards.pictures import Picture


def picture(width: int, height: int) -> Picture:
    return Picture(Image.new("RGB", (width, height)), b"", "JPEG", width, height, "", "a.jpg", "")


@pytest.mark.parametrize(
    ("name", "parameters", "size", "stays"),
    [
        ("size", {"min_side": "64"}, (64, 100), True),
        ("size", {"min_side": "64"}, (63, 100), False),
        ("size", {"max_side": 99}, (63, 100), False),
        ("aspect", {"max": 2}, (100, 200), True),
        ("aspect", {"max": 2}, (201, 100), False),
    ],
)
def test_pictures(name: str, parameters: dict[str, object], size: tuple[int, int], stays: bool) -> None:
    built = build_filters({name: parameters})
    assert (built[name].picture(picture(*size)) == "") is stays


@pytest.mark.parametrize(("box", "stays"), [((0, 0, 5, 10), True), ((0, 0, 6, 10), False), ((0, 0, 0.5, 1), False)])
def test_share_of_the_picture(box: tuple[float, float, float, float], stays: bool) -> None:
    share = build_filters({"share": {"min": 0.01, "max": 0.5}})["share"]
    assert (share.instance(picture(10, 10), Instance("cat", 1.0, box)) == "") is stays


def test_wrong_parameters_are_all_named() -> None:
    with pytest.raises(ConfigError) as caught:
        build_filters({"size": {"min": 3}, "aspect": {"max": 0.5}})
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match="did you mean share"):
        build_filters({"shares": {}})
