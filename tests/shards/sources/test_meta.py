"""Captions, addresses, licences and opt-outs from whatever a collector wrote."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.schemas.sample import dumps
from pe.shards.sources.meta import MAX_FIELDS, MAX_TEXT, meta_from_files, meta_of


@pytest.mark.parametrize("key", ["caption", "text", "txt", "TEXT", "alt", "Caption"])
def test_captions(key: str) -> None:
    assert meta_of({key: " a cat "}, "from the file").caption == "a cat"
    assert meta_of({key: ""}, "from the file\n").caption == "from the file"
    assert meta_of({key: None}, "from the file").caption == "from the file"
    assert meta_of({key: ["first", "second"]}).caption == "first"


def test_urls_and_licences() -> None:
    assert meta_of({"URL": "http://a/b.jpg"}).url == "http://a/b.jpg"
    assert meta_of({"image_url": "http://a/b.jpg"}).url == "http://a/b.jpg"
    for key in ("license", "licence", "LICENSE", "license_url"):
        assert meta_of({key: "CC BY 4.0"}).license == "CC BY 4.0"
    assert meta_of({"license": 4}).license == "4"
    assert meta_of({}).license == ""


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, False),
        ({"opt_out": True}, True),
        ({"optout": 1}, True),
        ({"NoAI": "yes"}, True),
        ({"opt_out": "false"}, False),
        ({"opt_out": "0"}, False),
        ({"opt_out": None}, False),
        ({"opt_out": float("nan")}, False),
        ({"robots": "noai"}, True),
        ({"X-Robots-Tag": "max-snippet:5, NoImageAI"}, True),
        ({"x_robots_tag": ["otherbot: noindex"]}, True),
        ({"robots": ["all", "noimageindex"]}, True),
        ({"robots": "all"}, False),
        ({"robots": None}, False),
        ({"robots": "nofollow"}, False),
        ({"tdm-reservation": 1}, True),
        ({"tdm_reservation": "1"}, True),
        ({"tdm-reservation": "0"}, False),
        ({"caption": "noai"}, False),
    ],
)
def test_opt_out(record: dict[str, Any], expected: bool) -> None:
    assert meta_of(record).opt_out is expected


def test_odd_values_become_json() -> None:
    record: dict[Any, Any] = {
        "nan": float("nan"),
        "inf": [float("inf")],
        "bytes": b"\xff\x00",
        "text": b"caf\xc3\xa9",
        "when": datetime.datetime(2024, 1, 2, 3, 4, 5),
        "price": decimal.Decimal("1.50"),
        "lone": "\udcff",
        "set": {1},
        "deep": {"list": [{"x": (1, 2)}]},
        3: "number",
    }
    fields = meta_of(record).fields
    assert json.loads(dumps(fields)) == {
        "nan": None,
        "inf": [None],
        "bytes": "[2 bytes]",
        "text": "café",
        "when": "2024-01-02 03:04:05",
        "price": "1.50",
        "lone": "\\udcff",
        "set": [1],
        "deep": {"list": [{"x": [1, 2]}]},
        "3": "number",
    }


def test_huge_records_are_cut() -> None:
    record = {"long": "x" * 500_000, "short": "kept", "list": list(range(100_000))}
    fields = meta_of(record).fields
    assert len(dumps(fields)) <= MAX_FIELDS
    assert fields["short"] == "kept"
    assert fields["long"] == "x" * 1000 + "[cut from 500000 characters]"
    many = meta_of({f"key{number}": "v" * 50 for number in range(50_000)}).fields
    assert 0 < len(dumps(many)) <= MAX_FIELDS
    assert len(meta_of({"caption": "c" * 100_000}).caption) == MAX_TEXT


def test_files_beside_an_image() -> None:
    meta = meta_from_files(b'\xef\xbb\xbf{"url": "http://a", "caption": null}', "\ufeffein Bär\n".encode())
    assert (meta.caption, meta.url) == ("ein Bär", "http://a")
    assert meta_from_files(None, None).fields == {}
    assert meta_from_files(b"[1]", None).fields == {"json": [1]}
    assert "json_error" in meta_from_files(b"{not json", None).fields
    assert "json_error" in meta_from_files(b"[" * 200_000, None).fields
    assert "json_error" in meta_from_files(b"\xff\xfe\xfa", None).fields
    assert meta_from_files(None, b"\xff\xfe caf\xe9").caption == "\\xff\\xfe caf\\xe9"


def test_a_record_of_pe_tells_its_phrases_and_not_its_labels() -> None:
    record = {
        "key": "0000-00000-00001", "data_source": "synth-base-test/drawn", "caption": "A red ring.", "url": "",
        "license": "CC0-1.0", "opt_out": False, "objects_json": '[{"id":0,"phrase":"red ring","bbox":[0,0,4,4]}]',
        "negatives_json": '["blue key"]', "reward_model": {"ground_truth": "{}"}, "provenance_json": "{}",
    }  # fmt: skip
    meta = meta_from_files(dumps(record).encode(), None)
    assert meta.fields["phrases"] == ["blue key", "red ring"]
    assert (meta.caption, meta.license) == ("A red ring.", "CC0-1.0")
    assert not meta.fields.keys() & {"objects_json", "negatives_json", "reward_model", "provenance_json"}
    broken = meta_from_files(dumps({**record, "objects_json": "[1"}).encode(), None)
    assert "phrases" not in broken.fields
    assert "objects_json" in broken.fields["json_error"]
    other = meta_from_files(dumps({**record, "objects_json": "[1]"}).encode(), None)
    assert "json_error" in other.fields


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text() | st.sampled_from(["caption", "robots", "opt_out", "license"]), VALUES))
def test_any_record(record: dict[str, Any]) -> None:
    meta = meta_of(record)
    assert len(dumps(meta.fields)) <= MAX_FIELDS
    assert all(isinstance(text, str) for text in (meta.caption, meta.url, meta.license))
