"""What a file's name says: a clean and unambiguous id, and whether the file is an input at all."""

from __future__ import annotations

import re

IMAGES = frozenset([".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"])
"""Suffixes under which pictures are kept; an input may have any other one or none."""

ARCHIVES = (".tar", ".tar.gz", ".tgz")
TABLE = ".parquet"

CAPTIONS = (".txt", ".caption", ".text")
"""Suffixes of the text that stands beside an image, the first found wins."""

_BESIDE = frozenset(
    # What people and tools put next to images, and what else WebDataset samples hold.
    f".{word}"
    for words in (
        "json jsn jsonl ndjson geojson yaml yml toml ini cfg xml xmp csv tsv xlsx txt text caption transcript",
        "md rst html htm css js py ipynb sh log db sqlite lock tmp part md5 sha1 sha256 sfv torrent",
        "npy npz pkl pickle h5 hdf5 feather arrow pt pth safetensors mat idx index",
        "cls cls2 inx id mp msg cbor ten tb pyd",
    )
    for word in words.split()
)
_NOTES = frozenset(
    word
    for words in (
        "readme license licence copying notice changelog makefile dockerfile manifest _success checksums",
        "md5sums sha1sums sha256sums thumbs.db desktop.ini",
    )
    for word in words.split()
)
_ODD = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]|(?:(?<=\.tar)|(?<=\.tar\.gz)|(?<=\.tgz)|(?<=\.parquet))#", re.I)
_ESCAPE = re.compile(r"\\(\\|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def escape(name: str) -> str:
    """`name` as clean text, no two names alike: backslashes doubled, control characters and stray bytes as \\xNN.

    A "#" behind a container's suffix is escaped as well, so that "a.tar#b" is a member and never a file of that name.
    """
    return _ODD.sub(_escaped, name) if _ODD.search(name) else name


def unescape(text: str) -> str:
    """The name that `escape` made `text` of."""
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def sort_key(name: str) -> list[str]:
    """Names in the order of their parts, whatever order the file system has."""
    return escape(name).split("/")


def suffix_of(name: str) -> str:
    """The lower-case suffix of the last part of `name`, "" for none."""
    base = name.rpartition("/")[2]
    stem, dot, suffix = base.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def container_of(name: str) -> str:
    """ "tar" or "parquet" for a file that holds inputs, "" for one that is one; by its suffix."""
    lower = name.lower()
    if lower.endswith(ARCHIVES):
        return "tar"
    return "parquet" if lower.endswith(TABLE) else ""


def not_an_input(name: str) -> str:
    """What to count the file under when it is no input, "" when it is one. Unknown and absent suffixes are inputs."""
    parts = name.split("/")
    if any(part.startswith(".") and part not in (".", "..") for part in parts) or "__MACOSX" in parts:
        return "hidden"
    base, suffix = parts[-1].lower(), suffix_of(name)
    if suffix == ".gz" and not container_of(name):
        suffix = suffix_of(name[: -len(suffix)])
    if suffix in _BESIDE:
        return suffix
    return base if base in _NOTES or (not suffix and base.partition("-")[0] in _NOTES) else ""


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    if character == "\\":
        return "\\\\"
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _unescaped(found: re.Match[str]) -> str:
    if found[2]:
        code = int(found[2], 16)
        return chr(code if code < 0x80 else 0xDC00 + code)
    return chr(int(found[3], 16)) if found[3] else "\\"
