"""Files of an export: pictures, lines of JSON, and JSON arrays that never stand in memory."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from pe.schemas.sample import Sample, dumps

_SUFFIX = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def image_name(sample: Sample) -> str:
    """KEY with the suffix of its codec."""
    return sample.key + _SUFFIX[sample.format]


def write_image(folder: Path, sample: Sample, image: bytes) -> str:
    """Write the stored bytes into `folder` as they are; returns the file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = image_name(sample)
    (folder / name).write_bytes(image)
    return name


class JsonLines:
    """A file of one JSON value a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb")

    def add(self, value: Any) -> None:
        """Append a line."""
        self._file.write(dumps(value).encode() + b"\n")

    def close(self) -> None:
        """End the file."""
        self._file.close()


class JsonArray:
    """A file of one JSON array, an item a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb")
        self._between = b"[\n"
        self.count = 0

    def add(self, value: Any) -> None:
        """Append an item."""
        self._file.write(self._between + dumps(value).encode())
        self._between = b",\n"
        self.count += 1

    def close(self) -> None:
        """End the array."""
        self._file.write(b"\n]" if self.count else b"[]")
        self._file.close()
