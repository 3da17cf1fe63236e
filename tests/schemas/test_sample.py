from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pe.schemas.sample import (
    Object,
    Rle,
    Sample,
    clean_text,
    dumps,
    is_coordinate,
    loads,
    objects_to_json,
    to_grid,
)

KEYS = [
    *("key", "kind", "width", "height", "format", "sha256", "source", "source_sha256", "reencoded", "url", "license"),
    *("opt_out", "data_source", "ability", "caption", "objects_json", "negatives_json", "messages_json", "gold_text"),
    *("input_width", "input_height", "token_count", "ceilings_json", "reward_model", "verifier", "provenance_json"),
]
LEAST = {
    "key": "0000-00000-00000",
    "width": 4,
    "height": 3,
    "format": "JPEG",
    "sha256": "a" * 64,
    "source": "a.jpg",
    "source_sha256": "a" * 64,
    "data_source": "photos/grounding",
    "reward_model": {"style": "rule", "ground_truth": "{}", "weights_json": "{}"},
    "verifier": {"name": "detection", "params_json": "{}"},
}


def sample(**more: object) -> Sample:
    return Sample.model_validate(LEAST | more)


def test_the_record_has_exactly_the_keys_of_every_record_and_no_null() -> None:
    record = json.loads(sample().to_json())
    assert list(record) == KEYS
    assert None not in record.values()
    assert set(record["reward_model"]) == {"style", "ground_truth", "weights_json"}
    assert set(record["verifier"]) == {"name", "params_json"}


@given(st.text(), st.text())
def test_any_text_survives_the_wire_or_is_escaped(caption: str, source: str) -> None:
    made = sample(caption=caption, source=source)
    back = Sample.from_json(made.to_json())
    assert back == made
    assert back.caption == clean_text(caption)


@pytest.mark.parametrize("change", [{"url": None}, {"other": 1}, {"key": "a.b"}, {"key": ""}, {"width": 0}])
def test_wrong_records_are_refused(change: dict[str, object]) -> None:
    data = json.dumps(json.loads(sample().to_json()) | change).encode()
    with pytest.raises(ValidationError):
        Sample.from_json(data)


@given(st.floats(-1e6, 1e6))
def test_coordinates_are_kept_to_a_sixty_fourth_of_a_pixel(value: float) -> None:
    assert (to_grid(value) * 64).is_integer()
    assert abs(to_grid(value) - value) <= 1 / 128


def test_absent_fields_of_an_object_are_left_out_and_floats_stay_floats() -> None:
    item = Object(id=0, phrase="cat", score=0.123456, bbox=(0, 1, 2, 3), mask=Rle(size=(3, 4), counts="x"))
    text = objects_to_json([item])
    assert json.loads(text) == [
        {"id": 0, "phrase": "cat", "score": 0.1235, "bbox": [0, 1, 2, 3], "mask": {"size": [3, 4], "counts": "x"}}
    ]
    assert '"bbox":[0.0,1.0,2.0,3.0]' in text
    assert sample(objects_json=text).objects() == [item]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_has_no_word_for_are_errors(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dumps([value])
    with pytest.raises(ValidationError):
        Object(id=0, phrase="cat", bbox=(0, 0, value, 1))


@pytest.mark.parametrize(
    "data",
    [
        rb'{"a\udc00": ["x\uD800", 1, {"k": "\ud83d\ude00"}]}',
        '{"a\udc00": ["x\ud800", 1, {"k": "\N{GRINNING FACE}"}]}'.encode("utf-8", "surrogatepass"),
        '{"a\udc00": ["x\ud800", 1, {"k": "\N{GRINNING FACE}"}]}'.encode("utf-16", "surrogatepass"),
    ],
)
def test_what_is_read_can_be_written(data: bytes) -> None:
    value = loads(data)
    assert value == {r"a\udc00": [r"x\ud800", 1, {"k": "\N{GRINNING FACE}"}]}
    assert loads(dumps(value).encode()) == value


@given(st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1e308, 1e9]))
def test_coordinates_are_numbers_that_the_grid_holds(value: float) -> None:
    if is_coordinate(value):
        assert abs(to_grid(value) - value) <= 1 / 128
    assert not any(map(is_coordinate, (True, None, "1", float("nan"), float("inf"), 10**400, 1e308)))
