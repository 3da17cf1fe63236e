from __future__ import annotations

import io
import random
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from pe.shards.phash import NEAR, NearIndex, phash


def _drawn(seed: int, size: tuple[int, int] = (200, 300)) -> npt.NDArray[np.uint8]:
    """A smooth, coloured picture, (H, W, 3) of `size`, different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC))


def _distance(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> int:
    return (phash(one) ^ phash(other)).bit_count()


def _saved(image: Image.Image, quality: int) -> npt.NDArray[np.uint8]:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


@pytest.mark.parametrize("seed", range(5))
def test_copies_are_near_and_turned_ones_are_not(seed: int) -> None:
    pixels = _drawn(seed)
    image = Image.fromarray(pixels)
    for copy in (
        _saved(image, 40),
        _saved(image.resize((150, 100)), 90),
        _saved(image.resize((450, 300)), 90),
        np.asarray(ImageEnhance.Brightness(image).enhance(0.9)),
    ):
        assert _distance(pixels, copy) <= NEAR
    for other in (pixels[:, ::-1], pixels[::-1], np.rot90(pixels), _drawn(seed + 100)):
        assert _distance(pixels, np.ascontiguousarray(other)) > 2 * NEAR


def test_half_the_bits_are_set_and_never_none_but_for_flat_pictures() -> None:
    for seed in range(20):
        assert phash(_drawn(seed)).bit_count() == 32
    for value in (0, 128, 255):
        assert phash(np.full((50, 40, 3), value, np.uint8)) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2), (31, 33), (128, 128), (1000, 40)])
def test_any_size_has_a_hash(size: tuple[int, int]) -> None:
    value = phash(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert 0 <= value < 2**64


def test_pixels_that_nobody_may_write_to_are_read() -> None:
    pixels = _drawn(1)
    pixels.flags.writeable = False
    assert phash(pixels) == phash(_drawn(1))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(0, 9))
def test_the_index_finds_what_comparing_with_all_finds(seed: int, count: int, flips: int) -> None:
    rng = random.Random(seed)
    values: list[int] = []
    for _ in range(count):
        value = rng.choice(values) if values and rng.random() < 0.5 else rng.getrandbits(64)
        for bit in rng.sample(range(64), rng.randint(0, 6)):
            value ^= 1 << bit
        values.append(value or 1)
    index = NearIndex()
    for number, value in enumerate(values):
        index.add(value, f"{number}")
    for value in values:
        for bit in rng.sample(range(64), flips):
            value ^= 1 << bit
        near = [number for number, other in enumerate(values) if (value ^ other).bit_count() <= NEAR]
        assert index.first(value) == (f"{near[0]}" if near and value else "")


def test_flat_pictures_are_like_no_other() -> None:
    index = NearIndex()
    index.add(0, "black")
    assert (len(index), index.first(0), index.first(1)) == (0, "", "")
    index.add(1, "one bit")
    assert (len(index), index.first(0), index.first(3)) == (1, "", "one bit")


def test_photos_and_their_copies(shared: Path) -> None:
    index, images = NearIndex(), {}
    for path in sorted((shared / "photos/coco128/images").iterdir()):
        images[path.name] = Image.open(path).convert("RGB")
        value = phash(np.asarray(images[path.name]))
        assert value
        assert index.first(value) == "", "different photos are not near"
        index.add(value, path.name)
    kinds = ("jpeg", "half", "larger", "darker", "mirrored")
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for image in images.values():
        width, height = image.size
        copies = (
            _saved(image, 50),
            _saved(image.resize((width // 2, height // 2), Image.Resampling.LANCZOS), 85),
            _saved(image.resize((width * 3 // 2, height * 3 // 2), Image.Resampling.BICUBIC), 85),
            np.asarray(ImageEnhance.Brightness(image).enhance(0.95)),
            np.ascontiguousarray(np.asarray(image)[:, ::-1]),
        )
        for kind, copy in zip(kinds, copies, strict=True):
            found[kind].append(index.first(phash(copy)))
    assert not any(found.pop("mirrored"))
    for kind, names in found.items():
        right = sum(name == other for name, other in zip(names, images, strict=True))
        assert right >= 0.97 * len(images), kind
        assert all(name in ("", other) for name, other in zip(names, images, strict=True)), kind
