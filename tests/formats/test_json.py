from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.formats._json import CUT, Array, Table, is_closed, read_values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: isinstance(value, list | dict))


def plain(value: Any) -> Any:
    if isinstance(value, Table):
        return {key: plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return "CUT" if value is CUT else value


def read(text: str) -> list[Any]:
    return [plain(value.node) for value in read_values(text)]


@given(value=JSON)
@settings(max_examples=100, deadline=None)
def test_valid_json_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    text = json.dumps(value)
    (found,) = read_values(text)
    assert (plain(found.node), found.repairs, is_closed(found.node)) == (json.loads(text), [], True)


@given(value=JSON)
@settings(max_examples=100, deadline=None)
def test_the_tolerant_reader_agrees_on_valid_json(value: Any) -> None:
    (_, found) = read_values("[,] " + json.dumps(value))
    assert plain(found.node) == json.loads(json.dumps(value))
    assert (found.repairs, is_closed(found.node)) == ([], True)


@given(value=st.recursive(st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab'\" ", max_size=8), st.lists))
@settings(max_examples=60, deadline=None)
def test_python_literals_are_read(value: Any) -> None:
    if isinstance(value, list):
        (found,) = read_values(repr(value))
        assert plain(found.node) == value or "'" in json.dumps(value)


@pytest.mark.parametrize(
    ("text", "value", "repair"),
    [
        ("[{'label': 'dog's tail', 'b': 1}]", [{"label": "dog's tail", "b": 1}], "a quote inside a string"),
        ("{'label': 'the dogs' owner'}", {"label": "the dogs' owner"}, "a quote inside a string"),
        ('{"label": "say "hi" now", "b": [1]}', {"label": 'say "hi" now', "b": [1]}, "a quote inside a string"),
        ('[{"a": 1,},]', [{"a": 1}], "a trailing comma"),
        ('[{"a": 1} {"a": 2}]', [{"a": 1}, {"a": 2}], "a missing comma"),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, "a missing comma"),
        ("{a: [1, 2]}", {"a": [1, 2]}, "a bare word"),
        ('[{"a": [1, 2], "b": "x"]', [{"a": [1, 2], "b": "x"}], "a missing bracket"),
        ("[1, 2}]", [1, 2], "a bracket too many"),
        ("[[1, 2), 3]", [[1, 2], 3], "a wrong bracket"),
        ("[1,, 2]", [1, 2], "a comma too many"),
    ],
)
def test_mends_what_a_careful_reader_would(text: str, value: Any, repair: str) -> None:
    (found,) = read_values(text)
    assert plain(found.node) == value
    assert repair in found.repairs
    assert is_closed(found.node)


def test_python_words_and_tuples_are_noted_and_not_repairs() -> None:
    (found,) = read_values("{'a': None, 'b': (1, True), 'c': 'it'}")
    assert plain(found.node) == {"a": None, "b": [1, True], "c": "it"}
    assert (found.repairs, found.notes) == ([], ["a Python literal"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[{"a": [1, 2], "b": "ca', [{"a": [1, 2], "b": "CUT"}]),
        ('[{"a": [1, 2', [{"a": [1, "CUT"]}]),
        ('[{"a": [1, 2], "b', [{"a": [1, 2]}]),
        ('[{"a": tru', [{"a": "CUT"}]),
        ('{"a": 1, "b":', {"a": 1, "b": "CUT"}),
    ],
)
def test_what_the_end_cuts_is_marked(text: str, value: Any) -> None:
    (found,) = read_values(text)
    assert plain(found.node) == value
    assert not is_closed(found.node)


def test_repeated_keys_are_kept() -> None:
    for text in ('{"a": 1, "a": 2}', '{"a": 1, "a": 2,}'):
        (found,) = read_values(text)
        assert list(found.node) == [("a", 1), ("a", 2)]


def test_words_around_values_are_passed_over() -> None:
    assert read('Here: ```json\n[1, 2]\n``` and "then" {"a": \'b\'}.') == [[1, 2], {"a": "b"}]


def test_escapes() -> None:
    assert read(r"""[{"a": "\ud83d\ude00 \u00e9\n", 'b': '\x41 \' \q \ud800',}]""") == [
        [{"a": "\U0001f600 é\n", "b": "A ' \\q �"}]
    ]


def test_endless_numbers_and_depth_end_the_reading() -> None:
    ((array,),) = (read_values("[[0, " + "9" * 70_000 + "],]"),)
    assert array.node[0][1] == math.inf
    assert read_values("[" * 100_000)[0].node
    assert isinstance(read_values('{"a": ' * 70)[0].node, Table)
    assert isinstance(read_values("[" * 65 + "]" * 65)[0].node, Array)
