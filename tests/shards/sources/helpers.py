"""Small real pictures and archives for the tests of sources."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from pe.errors import SampleError
from pe.shards.sources import open_source
from pe.shards.sources.base import Entry, Source


def jpeg(shade: int = 0) -> bytes:
    """A JPEG that differs with `shade`."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade % 256, shade // 256, 99)).save(out, "JPEG")
    return out.getvalue()


def write(path: Path, data: bytes = b"") -> Path:
    """`path` with `data` and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tar(members: Iterable[tuple[str, bytes]], mode: str = "w") -> bytes:
    """A tar (or with mode "w:gz" a gzipped one) of `members`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def listed(word: str | Path) -> tuple[Source, list[Entry]]:
    """A source and all its entries, checked for what holds of every source."""
    source = open_source(str(word))
    entries = list(source.entries())
    ids = [entry.id for entry in entries]
    assert len(set(ids)) == len(ids)
    assert list(source.entries()) == entries
    return source, entries


def outcomes(word: str | Path) -> dict[str, str]:
    """What reading gives for each id: the caption of an image that can be read ("ok" for none), else the reason."""
    source, entries = listed(word)
    results = {}
    for entry in entries:
        try:
            results[entry.id] = source.read(entry).meta.caption or "ok"
        except SampleError as error:
            results[entry.id] = error.reason
    return results
