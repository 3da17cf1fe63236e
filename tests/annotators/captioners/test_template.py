from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pe.annotators.base import AdapterSettings, Box, Caption, Instance
from pe.annotators.captioners import _english
from pe.annotators.captioners.template import Template
from pe.shards.pictures import Picture


def caption(*found: tuple[str, Box], size: tuple[int, int] = (300, 300)) -> Caption:
    picture = Picture(Image.new("RGB", size), b"", "PNG", *size, "", "", "")
    instances = [Instance(phrase, 0.5, box) for phrase, box in found]
    (result,) = Template(AdapterSettings(region_captions=True)).caption([picture], [instances])
    assert isinstance(result, Caption)
    return result


def text(*phrases: str) -> str:
    return caption(*[(phrase, (0.0, 0.0, 10.0, 10.0)) for phrase in phrases]).text


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        ([], ""),
        (["dog"], "A dog."),
        (["frisbee", "dog", "dog"], "Two dogs and a frisbee."),
        (["person"] * 3, "Three people."),
        (["apple", "SUV", "hour glass", "umbrella"], "An SUV, an apple, an hour glass and an umbrella."),
        (["unicorn", "uninvited guest"], "A unicorn and an uninvited guest."),
        (["sheep"] * 13, "13 sheep."),
        (["traffic light"] * 2, "Two traffic lights."),
        (["pair of shoes"] * 2, "Two pairs of shoes."),
        (["tall person riding a horse"] * 2, "Two tall people riding a horse."),
        (["parking meter"] * 2, "Two parking meters."),
        (["skis", "skis"], "Skis."),
        (["scissors"], "Scissors."),
        (["grass"], "Grass."),
        (["bus"] * 2, "Two buses."),
        (["wine glass"] * 2, "Two wine glasses."),
        (["knife"] * 2, "Two knives."),
        (["giraffe"] * 2, "Two giraffes."),
        (["policewoman"] * 2, "Two policewomen."),
        (["human"] * 2, "Two humans."),
        (["berry"] * 2, "Two berries."),
        (["toy"] * 2, "Two toys."),
        (["zebra", "zebras"], "A zebra and zebras."),
        (["two dogs"], "Two dogs."),
        (["The dog.", "dog", "Dog"], "Three dogs."),
        (["Traffic_light"], "A traffic light."),
        (["bow_(weapon)"], "A bow."),
        (["Eiffel Tower"], "An Eiffel Tower."),
        ([" . "], "An object."),
    ],
)
def test_sentences(phrases: list[str], expected: str) -> None:
    assert text(*phrases) == expected


def test_largest_first() -> None:
    assert caption(("ant", (0, 0, 5, 5)), ("whale", (0, 0, 200, 200))).text == "A whale and an ant."


def test_regions_say_where_and_only_what_is_true() -> None:
    found = [
        ("dog", (0.0, 120.0, 60.0, 180.0)),
        ("dog", (10.0, 140.0, 70.0, 190.0)),
        ("dog", (230.0, 0.0, 290.0, 60.0)),
        ("cat", (100.0, 100.0, 200.0, 200.0)),
        ("skis", (100.0, 240.0, 200.0, 290.0)),
        ("skis", (110.0, 250.0, 190.0, 300.0)),
    ]
    assert caption(*found).regions == [
        "one of the two dogs at the left",
        "one of the two dogs at the left",
        "the dog at the top right",
        "the cat in the middle",
        "skis at the bottom",
        "skis at the bottom",
    ]


def test_no_regions_unless_asked() -> None:
    picture = Picture(Image.new("RGB", (9, 9)), b"", "PNG", 9, 9, "", "", "")
    assert Template(AdapterSettings()).caption([picture], [[Instance("dog", 1.0, (0, 0, 9, 9))]]) == [Caption("A dog.")]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_phrase_gives_one_line(phrases: list[str]) -> None:
    result = caption(*[(phrase, (0.0, 0.0, 300.0, 300.0)) for phrase in phrases])
    assert result.text.endswith(".")
    assert "\n" not in result.text
    assert len(result.regions) == len(phrases)


def test_every_coco_name_and_count_is_kept(shared: Path) -> None:
    data = json.loads((shared / "photos" / "coco128" / "instances.json").read_text())
    uncounted = {item["name"] for item in data["categories"] if not _english.is_countable(item["name"])}
    assert uncounted == {"skis", "scissors", "broccoli"}
