from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe.engines.admission import Admission, fingerprints, picture_hash
from pe.engines.outcomes import FilteredError
from pe.engines.settings import AnnotateSettings
from pe.errors import SampleError
from pe.shards.phash import NEAR, phash
from pe.shards.pictures import Picture, load_picture
from pe.shards.sources.base import Entry, Meta, Raw


def saved(image: Image.Image, codec: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, codec, **options)
    return stream.getvalue()


def loaded(data: bytes, *, colours: bool) -> Picture:
    return load_picture(data, source="a.jpg", meta=Meta(), source_sha256="", colours=colours)


def smooth(seed: int, size: tuple[int, int]) -> Image.Image:
    """A picture of `size` (width, height) with large coloured areas, different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def settings(**values: object) -> AnnotateSettings:
    known = {"source": "x", "out": "y", "detector": "onnx", "near_duplicates": "drop"}
    return AnnotateSettings.model_validate(known | values)


def asked(data: bytes, name: str = "a.jpg", meta: Meta | None = None, **values: object) -> int:
    fingerprint = fingerprints(settings(**values))
    assert fingerprint is not None
    return fingerprint(Entry(name, len(data), ""), Raw(data, meta or Meta()))


@pytest.mark.parametrize(
    "size", [(100, 90), (255, 600), (256, 256), (700, 513), (1500, 1100), (2100, 2050), (5000, 40)]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_of_reduced_size_has_the_hash_of_the_whole_one(size: tuple[int, int], mode: str) -> None:
    data = saved(smooth(size[0], size).convert(mode), quality=90)
    checked = loaded(data, colours=False)
    assert checked.pixels is None
    whole = phash(loaded(data, colours=True).array)
    assert whole
    assert (picture_hash(checked) ^ whole).bit_count() <= NEAR


def test_reduced_photos_stay_well_within_the_bound(shared: Path) -> None:
    distances = []
    for path in sorted((shared / "photos").rglob("*.jpg")):
        data = path.read_bytes()
        whole = phash(loaded(data, colours=True).array)
        distances.append((picture_hash(loaded(data, colours=False)) ^ whole).bit_count())
    assert len(distances) > 200
    assert max(distances) <= NEAR // 2
    assert np.mean(np.array(distances) == 0) > 0.8


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_that_lies_turned_has_the_hash_of_the_upright_one(orientation: int) -> None:
    image = smooth(3, (400, 300))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = loaded(saved(image, quality=95, exif=exif), colours=False)
    upright = phash(np.asarray(turned.image.convert("RGB")))
    assert picture_hash(turned) == upright
    assert (upright ^ picture_hash(loaded(saved(image, quality=95), colours=False))).bit_count() > NEAR


@pytest.mark.parametrize(
    ("codec", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "P"), ("WEBP", "RGB"), ("JPEG", "CMYK")]
)
def test_every_codec_and_mode_is_near_the_same_jpeg(codec: str, mode: str) -> None:
    image = smooth(5, (500, 400))
    jpeg = picture_hash(loaded(saved(image, quality=95), colours=False))
    other = picture_hash(loaded(saved(image.convert(mode), codec), colours=False))
    assert (jpeg ^ other).bit_count() <= NEAR


def test_what_goes_to_no_model_has_no_fingerprint(tmp_path: Path) -> None:
    image = smooth(1, (300, 200))
    data = saved(image, quality=90)
    out = Meta(opt_out=True)
    assert asked(data) == picture_hash(loaded(data, colours=False)) != 0
    assert asked(data, meta=out) == 0
    assert asked(data, meta=out, respect_opt_out=False) == asked(data)
    assert asked(data[:-900]) == 0
    assert asked(b"<html>") == 0
    assert asked(data, max_pixels=59_999) == 0
    assert asked(data, filters={"size": {"min_side": 201}}) == 0
    assert asked(data, filters={"size": {"min_side": 200}}) == asked(data)
    assert asked(data, phrases="field:words") == 0
    assert asked(data, meta=Meta(fields={"words": "cat"}), phrases="field:words") == asked(data)
    assert asked(saved(Image.new("RGB", (300, 200), "white"))) == 0
    listed = tmp_path / "instances.json"
    listed.write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 300, "height": 200}], "annotations": [], '
        '"categories": [{"id": 1, "name": "cat"}]}'
    )
    dataset: dict[str, Any] = {"detector": "dataset", "annotations": str(listed)}
    assert asked(data, **dataset) == asked(data)
    assert asked(data, "b.jpg", **dataset) == 0
    assert asked(saved(image.resize((310, 200))), **dataset) == 0


def test_near_duplicates_are_kept_unless_asked_for() -> None:
    assert settings(near_duplicates="keep").labels_config("cpu")["near_duplicates"] == "keep"
    assert settings().labels_config("cpu")["near_duplicates"] == "drop"
    assert fingerprints(settings(near_duplicates="keep")) is None
    assert AnnotateSettings.model_validate({"source": "x", "out": "y"}).near_duplicates == "keep"


def test_a_rule_that_filters_is_told_from_what_cannot_be_used() -> None:
    admission = Admission(settings(filters={"aspect": {"max": 2}}), None, colours=True)
    picture, phrases = admission.admit(Raw(saved(smooth(0, (64, 32))), Meta()), "a.jpg", "")
    assert (picture.width, picture.source, phrases) == (64, "a.jpg", [])
    with pytest.raises(FilteredError) as filtered:
        admission.admit(Raw(saved(smooth(0, (66, 32))), Meta()), "a.jpg", "")
    assert filtered.value.reason == "aspect"
    with pytest.raises(SampleError) as bad:
        admission.admit(Raw(b"", Meta()), "a.jpg", "")
    assert bad.value.reason == "empty"
    assert not isinstance(bad.value, FilteredError)
