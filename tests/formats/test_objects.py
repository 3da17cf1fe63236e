"""The short way through the usual row gives what the long way gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.formats import _objects
from pe.registry import load

_NUMBERS = st.one_of(st.integers(-50, 1200), st.floats(0, 1000), st.sampled_from([2e9, None, True, "7", [1]]))
_BOXES = st.one_of(st.lists(st.integers(0, 999), min_size=4, max_size=4), st.lists(_NUMBERS, max_size=5))
_ROWS = st.fixed_dictionaries(
    {"bbox_2d": _BOXES, "label": st.one_of(st.text("ab' ", max_size=4), st.none(), st.integers())},
    optional={"score": st.floats(0, 1)},
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_ROWS, max_size=4), st.sampled_from(["qwen2.5-vl", "qwen3-vl", "v-triune"]), st.integers(0, 3))
def test_usual_rows(rows: list[dict[str, Any]], name: str, cut: int) -> None:
    text = json.dumps(rows)
    text = text[: len(text) - cut]
    short = load("formats", name)().decode(text, (640, 480), asked="cat")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_objects, "_usual", lambda table: None)
        assert load("formats", name)().decode(text, (640, 480), asked="cat") == short
