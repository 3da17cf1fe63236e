"""What each filter of rows keeps."""

from __future__ import annotations

from typing import Any

import pytest

from pe.engines.mixes._candidate import Candidate
from pe.engines.mixes.filters._base import build_row_filters
from pe.engines.tasks import Exchange
from pe.errors import ConfigError, InputError
from pe.formats import Answer, Item
from pe.schemas.sample import Object, RewardModel, Sample, Verifier, objects_to_json

SAMPLE = Sample(
    key="a",
    width=100,
    height=50,
    format="JPEG",
    sha256="0" * 64,
    source="a.jpg",
    source_sha256="0" * 64,
    data_source="test",
    objects_json=objects_to_json(
        [
            Object(id=0, phrase="cat", bbox=(0, 0, 10, 10), ring_iou=0.95),
            Object(id=1, phrase="dog", bbox=(0, 0, 10, 10), ring_iou=0.7),
        ]
    ),
    reward_model=RewardModel(),
    verifier=Verifier(),
)


def row(*items: Item, text: str = "", question: str = "Where?", tokens: int = 0, **truth: Any) -> Candidate:
    exchange = Exchange(question, Answer(items, text=text), truth, "detection", "detection")
    return Candidate(SAMPLE, exchange, text or "gold", tokens)


def box(phrase: str, width: float = 10, height: float = 10) -> Item:
    return Item(phrase, bbox=(0, 0, width, height))


def ring(phrase: str, vertices: int) -> Item:
    return Item(phrase, rings=(tuple(float(number) for number in range(2 * vertices)),))


@pytest.mark.parametrize(
    ("name", "parameters", "kept", "dropped"),
    [
        ("box-share", {}, row(box("cat", 50, 50)), row(box("cat"), box("dog", 51, 50))),
        ("box-share", {"min": 0.02}, row(box("cat")), row(box("cat", 9, 10))),
        ("count-per-category", {"max": 2}, row(*[box("cat")] * 2, *[box("dog")] * 2), row(*[box("cat")] * 3)),
        ("count-per-category", {"min": 1}, row(box("cat")), row()),
        ("answer-length", {"max": 3}, row(text="abc"), row(text="abcd")),
        ("answer-shape", {}, row(text="42"), row(text="x = 4")),
        ("answer-shape", {}, row(text="42"), row(text="True")),
        ("answer-shape", {}, row(text="42"), row(text="B")),
        ("answer-shape", {"choice": True}, row(text="B", options={"A": "x", "B": "y"}), row(text="no")),
        ("language", {}, row(text="déjà vu"), row(text="дом")),
        ("language", {"script": "CYRILLIC", "share": 0.2}, row(text="дом", question="Где"), row(text="home")),
        ("phrase-complexity", {"words": 2}, row(box("red cat")), row(box("the red cat"))),
        ("phrase-complexity", {}, row(box("red cat")), row(box("cat, red"))),
        ("vertices", {"max": 5}, row(ring("cat", 5)), row(ring("cat", 6))),
        ("vertices", {"min": 4}, row(ring("cat", 4)), row(ring("cat", 3))),
        ("tokens", {"max": 7}, row(tokens=7), row(tokens=8)),
        ("ring-iou", {}, row(ring("cat", 4)), row(ring("dog", 4))),
    ],
)
def test_what_is_kept(name: str, parameters: dict[str, Any], kept: Candidate, dropped: Candidate) -> None:
    keep = build_row_filters({name: parameters})[name]
    assert keep.keeps(kept)
    assert not keep.keeps(dropped)


def test_wrong_parameters_are_all_named() -> None:
    with pytest.raises(ConfigError) as told:
        build_row_filters({"box-share": {"max": 2, "least": 0}, "tokens": {"max": 0}})
    assert len(told.value.problems) == 3
    with pytest.raises(InputError, match="did you mean tokens"):
        build_row_filters({"token": {}})
