"""Ids are clean text and never shared; what is an input is decided by exclusion."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.schemas.sample import clean_text
from pe.shards.sources.names import container_of, escape, not_an_input, sort_key, unescape

NAMES = st.binary(max_size=30).map(os.fsdecode) | st.text(max_size=30) | st.text("\\#xdct.tar\n\udce9e9u", max_size=12)


@given(NAMES)
def test_escape_can_be_undone_and_is_clean(name: str) -> None:
    text = escape(name)
    assert unescape(text) == name
    assert clean_text(text) == text
    assert not any(ord(character) < 32 for character in text)


@given(NAMES, NAMES)
def test_two_names_never_become_one(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) is (one == other)
    assert escape(f"{one}.tar") + "#" + escape(other) != escape(f"{one}.tar#{other}")


def test_ordinary_names_stay() -> None:
    for name in ("a/b c.jpg", "grüße/日本.png", "photo #3.jpg", "../x"):
        assert escape(name) == name
    assert escape(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert escape("a\nb\\c") == r"a\x0ab\\c"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a.jpg", ""),
        ("a", ""),
        ("a.JPG", ""),
        ("a.unknown", ""),
        ("a.gif", ""),
        ("photo.v2", ""),
        ("a.json", ".json"),
        ("A.TXT", ".txt"),
        ("a.tar.idx", ".idx"),
        ("a.txt.gz", ".txt"),
        ("a.tar.gz", ""),
        (".hidden.jpg", "hidden"),
        ("folder/.git/x.jpg", "hidden"),
        ("../x.jpg", ""),
        ("__MACOSX/a.jpg", "hidden"),
        ("README", "readme"),
        ("LICENSE-MIT", "license-mit"),
        ("license.jpg", ""),
        ("Thumbs.db", ".db"),
        ("a.pickle", ".pickle"),
    ],
)
def test_inputs_by_exclusion(name: str, label: str) -> None:
    assert not_an_input(name) == label


def test_containers_and_order() -> None:
    assert [container_of(name) for name in ("a.tar", "a.TGZ", "a.tar.gz", "a.parquet", "a.gz", "tar")] == [
        "tar",
        "tar",
        "tar",
        "parquet",
        "",
        "",
    ]
    assert sorted(["a.jpg", "a/b.jpg", "a-b.jpg", "B.jpg"], key=sort_key) == ["B.jpg", "a/b.jpg", "a-b.jpg", "a.jpg"]
