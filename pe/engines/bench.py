"""What this machine can do at most: the bare rates that a run's own rate is held against. All on one thread."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from pe.errors import InputError, SampleError
from pe.geometry.masks import encode
from pe.geometry.rings import mask_to_rings
from pe.shards.sources import open_source

_SECONDS = 1.0
_PICTURES = 128


@dataclass(frozen=True)
class Rates:
    """Rates of one thread; `decode_per_second` times `cores` is the ceiling of a run without a model."""

    cores: int
    pictures: int
    mean_megapixels: float
    mean_kilobytes: float
    decode_per_second: float
    decode_megapixels_per_second: float
    encode_megapixels_per_second: float
    sha256_megabytes_per_second: float
    tar_write_megabytes_per_second: float
    tar_read_megabytes_per_second: float
    rings_ms_a_mask: float
    rle_ms_a_mask: float

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps({name: round(value, 4) for name, value in asdict(self).items()})

    def to_text(self) -> str:
        """One line a rate."""
        return "\n".join(f"{name.replace('_', ' '):34}{value:12,.2f}" for name, value in asdict(self).items())


def measure(source: str = "", seconds: float = _SECONDS) -> Rates:
    """Measure each rate for about `seconds`, on up to 128 JPEGs of `source`, or on pictures drawn here.

    Raises InputError when the source holds no JPEG.
    """
    files = _jpegs(source) if source else _drawn()
    images = [_decode(data) for data in files]
    pixels = sum(image.width * image.height for image in images)
    size = sum(map(len, files))
    masks = [_blob(np.random.default_rng(number)) for number in range(16)]
    decode = _rate(lambda: [_decode(data) for data in files], seconds)
    encode_rate = _rate(lambda: [_encode(image) for image in images[:16]], seconds)
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as folder:
        tar = Path(folder) / "bench.tar"
        write = _rate(lambda: _write_tar(tar, files), seconds)
        read = _rate(lambda: _read_tar(tar), seconds)
    return Rates(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        pictures=len(files),
        mean_megapixels=pixels / len(files) / 1e6,
        mean_kilobytes=size / len(files) / 1e3,
        decode_per_second=decode * len(files),
        decode_megapixels_per_second=decode * pixels / 1e6,
        encode_megapixels_per_second=encode_rate * sum(image.width * image.height for image in images[:16]) / 1e6,
        sha256_megabytes_per_second=_rate(lambda: [hashlib.sha256(data).digest() for data in files], seconds)
        * size
        / 1e6,
        tar_write_megabytes_per_second=write * size / 1e6,
        tar_read_megabytes_per_second=read * size / 1e6,
        rings_ms_a_mask=1000 / len(masks) / _rate(lambda: [mask_to_rings(mask) for mask in masks], seconds),
        rle_ms_a_mask=1000 / len(masks) / _rate(lambda: [encode(mask) for mask in masks], seconds),
    )


def _rate(action: Callable[[], object], seconds: float) -> float:
    """Calls a second, after one that does not count."""
    action()
    since, calls = time.perf_counter(), 0
    while (spent := time.perf_counter() - since) < seconds or not calls:
        action()
        calls += 1
    return calls / spent


def _jpegs(source: str) -> list[bytes]:
    opened, files = open_source(source), []
    for entry in opened.entries():
        try:
            data = opened.read(entry).data if entry.error is None else b""
            if data.startswith(b"\xff\xd8"):
                _decode(data)
                files.append(data)
        except (SampleError, OSError):
            continue
        if len(files) >= _PICTURES:
            break
    if not files:
        raise InputError(f"{source}: holds no JPEG to measure with; leave it out to measure with drawn pictures")
    return files


def _drawn() -> list[bytes]:
    """Noisy gradients of 640x480 in JPEG, about as large as photographs of that size."""
    files = []
    for number in range(16):
        rng = np.random.default_rng(number)
        smooth = cv2.resize(rng.integers(0, 255, (12, 16, 3)).astype(np.uint8), (640, 480))
        noisy = np.clip(smooth + rng.normal(0, 12, (480, 640, 3)), 0, 255).astype(np.uint8)
        files.append(_encode(Image.fromarray(noisy)))
    return files


def _blob(rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """A ragged blob in a 300x240 mask."""
    field = cv2.GaussianBlur(rng.normal(0, 1, (240, 300)), (0, 0), 12)
    rows, columns = np.mgrid[-1:1:240j, -1:1:300j]
    return np.asarray(field / np.abs(field).max() + 0.9 > 1.4 * np.hypot(rows, columns))


def _decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    image.load()
    return image


def _encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()


def _write_tar(path: Path, files: list[bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for number, data in enumerate(files):
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def _read_tar(path: Path) -> None:
    with tarfile.open(path) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None:
                stream.read()
