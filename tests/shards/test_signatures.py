"""What bytes are, and what a WebP says of itself."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pe.errors import SampleError
from pe.shards.signatures import is_text, name_of, webp_header


def webp(size: tuple[int, int], mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 7).save(out, "WEBP", **options)
    return out.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (61, 40), (300, 16383)])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("extended", [True, False])
def test_webp_headers(size: tuple[int, int], lossless: bool, extended: bool) -> None:
    profile: dict[str, Any] = {"icc_profile": b"x" * 131} if extended else {}
    raw = webp(size, lossless=lossless, **profile)
    assert (raw[12:16] == b"VP8X") is extended
    assert webp_header(raw) == (*size, len(raw), lossless)


@given(st.binary(max_size=200))
def test_any_webp_header(data: bytes) -> None:
    raw = b"RIFF" + data[:4].ljust(4, b"\0") + b"WEBP" + data[4:]
    try:
        header = webp_header(raw)
    except SampleError:
        return
    assert header.width >= 0
    assert header.height >= 0


def test_the_head_decides() -> None:
    assert name_of(b"PAR1") == "a parquet file"
    assert name_of(b"a" * 257 + b"ustar\0") == "a tar archive"
    assert name_of(b"plain words") == "text"
    assert name_of(b"\x01\x02\x03") == "unknown data that begins 01 02 03"


def test_text() -> None:
    assert is_text("grüße\n".encode())
    assert is_text(("x" * 1023 + "ü").encode()[:1024])  # the head ends inside a character
    assert not is_text(b"")
    assert not is_text(b"a\0b")
    assert not is_text(b"\xff\xd8\xff")


def test_hostile_text_has_a_name() -> None:
    for part in (b"<?xml", b"<!--", b" ", b"<!-- <?xml "):
        assert name_of(part * 100_000)
