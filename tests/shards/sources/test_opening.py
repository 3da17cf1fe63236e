"""Ranges of files, and how patterns match."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.errors import InputError
from pe.shards.sources import open_source
from pe.shards.sources.opening import _matches
from tests.shards.sources.helpers import jpeg, listed, outcomes, tar, write


def test_ranges_of_shards(tmp_path: Path) -> None:
    for number in (0, 1, 3):
        write(tmp_path / f"{number:05}.tar", tar([("a.jpg", jpeg(number)), ("a.json", b"{}")]))
    assert outcomes(tmp_path / "{00000..00003}.tar") == {
        "00000.tar#a.jpg": "ok",
        "00001.tar#a.jpg": "ok",
        "00002.tar": "missing",
        "00003.tar#a.jpg": "ok",
    }
    assert list(outcomes(tmp_path / "{00003,00000}.tar")) == ["00000.tar#a.jpg", "00003.tar#a.jpg"]
    assert list(outcomes(tmp_path / "0000{0..1}.{tar,tgz}"))[:2] == ["00000.tar#a.jpg", "00000.tgz"]
    with pytest.raises(InputError, match="matches no file"):
        listed(tmp_path / "{00007..00009}.tar")


@pytest.mark.parametrize(
    "braces", ["{0..9999999}", "{0..999}{0..999}{0..999}", "{a,b}" * 40, "{000..99999999999999999}"]
)
def test_ranges_are_bounded(tmp_path: Path, braces: str) -> None:
    with pytest.raises(InputError, match="more than"):
        open_source(str(tmp_path / f"{braces}.tar"))


def test_braces_in_a_real_name(tmp_path: Path) -> None:
    write(tmp_path / "{0..1}.jpg", jpeg())
    write(tmp_path / "a[1].jpg", jpeg())
    assert outcomes(tmp_path / "{0..1}.jpg") == {"{0..1}.jpg": "ok"}
    assert outcomes(tmp_path / "a[1].jpg") == {"a[1].jpg": "ok"}


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.jpg", "a.jpg", 2),
        ("*.jpg", "a/b.jpg", 0),
        ("*", "a/b.jpg", 2),
        ("a/*.jpg", "a", 1),
        ("a/*.jpg", "b", 0),
        ("**", "a/b", 2),
        ("**/x", "x", 2),
        ("**/x", "a/b/x", 2),
        ("**/x", "a/b", 1),
        ("a/**/b/*.jpg", "a/b/c.jpg", 2),
        ("a/**/b/*.jpg", "a/1/2/b/c.jpg", 2),
        ("a/**/b/*.jpg", "b/c.jpg", 0),
        ("*/b", "a/c", 0),
    ],
)
def test_patterns(pattern: str, path: str, expected: int) -> None:
    assert _matches(path, pattern.split("/")) == expected


@given(
    st.lists(st.sampled_from(["**", "a", "*", "b"]), min_size=1, max_size=6),
    st.lists(st.sampled_from("abc"), min_size=1),
)
def test_a_match_is_entered_on_the_way(pattern: list[str], parts: list[str]) -> None:
    if _matches("/".join(parts), pattern) == 2:
        assert all(_matches("/".join(parts[:end]), pattern) for end in range(1, len(parts)))
