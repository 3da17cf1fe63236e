"""What bytes are, by how they begin."""

from __future__ import annotations

import re
from typing import NamedTuple

from pe.errors import SampleError

_MAGIC: list[tuple[bytes, str]] = [
    (rb"GIF8", "a GIF"),
    (rb"BM.{4}\0\0\0\0", "a BMP"),
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "a TIFF"),
    (rb".{4}ftypavi[fs]", "an AVIF"),
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "a HEIF"),
    (rb".{4}ftyp", "an MP4 or QuickTime video"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL"),
    (rb"8BPS", "a Photoshop file"),
    (rb"qoif", "a QOI"),
    (rb"P[1-7]\s", "a PNM"),
    (rb"\0\0[\1\2]\0[^\0]", "an icon"),
    (rb"RIFF.{4}AVI ", "an AVI video"),
    (rb"%PDF", "a PDF"),
    (rb"PK[\3\5]", "a ZIP archive"),
    (rb"\x1f\x8b", "gzip data"),
    (rb"BZh", "bzip2 data"),
    (rb"\xfd7zXZ\0", "xz data"),
    (rb"\x28\xb5\x2f\xfd", "zstd data"),
    (rb"PAR1|PARE", "a parquet file"),
    (rb".{257}ustar", "a tar archive"),
    (rb"version https://git-lfs", "a Git LFS pointer, its file was never fetched"),
    (rb"(?i)\s*(<\?xml.*)?(<!--.*)?(<!doctype svg.*)?<svg", "an SVG"),
    (rb"(?i)\s*(<!doctype html|<html|<head|<body|<script)", "an HTML page"),
    (rb"\s*<\?xml", "an XML document"),
    (rb"\s*[\[{]", "JSON or text"),
]
_PATTERNS = [(re.compile(pattern, re.DOTALL), name) for pattern, name in _MAGIC]


def name_of(raw: bytes) -> str:
    """What `raw` is, in words for a log line, from its first kilobyte."""
    head = raw[:1024].removeprefix(b"\xef\xbb\xbf")
    for pattern, name in _PATTERNS:
        if pattern.match(head):
            return name
    if is_text(head):
        return "text"
    return f"unknown data that begins {head[:8].hex(' ')}"


def is_text(head: bytes) -> bool:
    """Whether `head`, the beginning of a file, reads as UTF-8 text without control characters."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and not re.search(r"[\0-\x08\x0e-\x1a\x1c-\x1f]", text)


class WebpHeader(NamedTuple):
    """Canvas in pixels, the size in bytes the file says it has, and whether its picture is coded without loss."""

    width: int
    height: int
    size: int
    lossless: bool


def webp_header(raw: bytes) -> WebpHeader:
    """What the container of a WebP declares (RFC 9649, section 2); SampleError where it cannot be read."""
    size = 8 + int.from_bytes(raw[4:8], "little")
    if len(raw) < 30:
        raise SampleError("truncated", f"{len(raw)} bytes of {size}")
    kind = raw[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(raw[24:27], "little")
        height = 1 + int.from_bytes(raw[27:30], "little")
    elif kind == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width = int.from_bytes(raw[26:28], "little") & 0x3FFF
        height = int.from_bytes(raw[28:30], "little") & 0x3FFF
    else:
        raise SampleError("corrupt", f"a WebP that begins with {kind!r}")
    position = 12
    while raw[position : position + 4] not in (b"", b"VP8 ", b"VP8L", b"ANMF"):
        position += 8 + int.from_bytes(raw[position + 4 : position + 8], "little") + 1 & ~1
    return WebpHeader(width, height, size, raw[position : position + 4] == b"VP8L")
