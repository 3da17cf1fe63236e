"""Pictures: accepted by content, whole, upright, with the bytes they came in wherever possible."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from pe.errors import SampleError
from pe.shards.pictures import REASONS, Picture, load_picture
from pe.shards.sources.base import Meta


def load(raw: bytes, **limits: int) -> Picture:
    return load_picture(raw, source="a", meta=Meta(fields={"a": 1}), source_sha256="", **limits)


def reason(raw: bytes, **limits: int) -> str:
    with pytest.raises(SampleError) as caught:
        load(raw, **limits)
    assert caught.value.reason in REASONS
    assert caught.value.detail
    assert "\n" not in str(caught.value)
    return caught.value.reason


def outcome(raw: bytes) -> Picture | str:
    """The picture, or the reason it was refused for."""
    try:
        return load(raw)
    except SampleError as error:
        return error.reason


def saved(image: Image.Image, codec: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, codec, **options)
    return out.getvalue()


def scene(mode: str = "RGB", size: tuple[int, int] = (61, 40)) -> Image.Image:
    rows, columns = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([columns * 4, rows * 6, (columns * 3 + rows * 5) % 256], axis=2).astype(np.uint8)
    pixels[:8, :8] = (255, 0, 0)
    return Image.fromarray(pixels).convert(mode)


def rgb(raw: bytes) -> np.ndarray[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


def photos(shared: Path) -> list[Path]:
    return sorted((shared / "photos" / "coco128" / "images").glob("*.jpg"))


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP"])
def test_bytes_and_pixels_are_the_source_s_own(codec: str) -> None:
    raw = saved(scene(), codec)
    picture = load(raw)
    assert picture.data is raw
    assert (picture.format, picture.width, picture.height, picture.reencoded) == (codec, 61, 40, False)
    assert picture.sha256 == picture.source_sha256 == hashlib.sha256(raw).hexdigest()
    assert picture.meta.fields == {"a": 1}
    assert np.array_equal(picture.array, rgb(raw))
    assert np.array_equal(np.asarray(picture.image.convert("RGB")), picture.array)
    assert picture.array.dtype == np.uint8
    assert not picture.array.flags.writeable


def test_a_known_hash_is_not_computed_again() -> None:
    raw = saved(scene(), "JPEG")
    assert load_picture(raw, source="a", meta=Meta(), source_sha256="known").sha256 == "known"


def test_photos_decode_as_pillow_decodes_them(shared: Path) -> None:
    for path in [
        *photos(shared)[:40],
        *sorted((shared / "ocr").rglob("*.jpg")),
        *sorted((shared / "gui").rglob("*.jpg")),
    ]:
        raw = path.read_bytes()
        assert np.array_equal(load(raw).array, rgb(raw)), path


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"progressive": True},
        {"optimize": True},
        {"keep_rgb": True},
        {"restart_marker_blocks": 2},
        {"quality": 3},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_of_any_kind(options: dict[str, Any], mode: str) -> None:
    raw = saved(scene(mode), "JPEG", **options)
    picture = load(raw)
    assert picture.image.mode == mode
    assert np.array_equal(picture.array, rgb(raw))
    assert picture.image.tobytes() == Image.open(io.BytesIO(raw)).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_of_any_mode(mode: str) -> None:
    raw = saved(scene(mode), "PNG")
    assert np.array_equal(load(raw).array, rgb(raw))


@pytest.mark.parametrize("transparency", [3, bytes(range(200)) + bytes(56)])
def test_transparent_palettes(transparency: Any) -> None:
    raw = saved(scene("P"), "PNG", transparency=transparency)
    assert np.array_equal(load(raw).array, rgb(raw))


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    raw = saved(Image.fromarray(grey), "PNG")
    picture = load(raw)
    assert np.array_equal(picture.array, np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, axis=2))
    assert np.array_equal(np.asarray(picture.image.convert("RGB")), picture.array)
    assert picture.data is raw


def with_orientation(image: Image.Image, codec: str, value: Any, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return saved(image, codec, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_becomes_upright(codec: str, orientation: int) -> None:
    upright = scene()
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # the PIL operation that lays it down
    lying = upright if back is None else upright.transpose(Image.Transpose(back))
    raw = with_orientation(lying, codec, orientation, **({"lossless": True} if codec == "WEBP" else {"quality": 100}))
    assert ImageOps.exif_transpose(Image.open(io.BytesIO(raw))).size == upright.size
    picture = load(raw)
    assert (picture.width, picture.height) == upright.size
    assert picture.reencoded is (orientation != 1)
    assert picture.format == (codec if orientation == 1 or codec != "WEBP" else "PNG")
    error = np.abs(picture.array.astype(int) - np.asarray(upright))
    assert error.max() == 0 if codec != "JPEG" else error.mean() < 4
    assert np.array_equal(picture.array, rgb(picture.data))
    assert picture.sha256 == hashlib.sha256(picture.data).hexdigest()
    assert picture.source_sha256 == hashlib.sha256(raw).hexdigest()
    if picture.reencoded:
        again = Image.open(io.BytesIO(picture.data))
        assert not again.getexif()
        assert load(picture.data).data == picture.data
        assert load(raw).data == picture.data


def test_a_lossy_webp_becomes_a_jpeg_without_subsampling() -> None:
    picture = load(with_orientation(scene(), "WEBP", 6))
    assert picture.format == "JPEG"
    stored = Image.open(io.BytesIO(picture.data))
    assert [layer[1:3] for layer in stored.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    reference = saved(stored, "JPEG", quality=95, subsampling=0)
    assert Image.open(io.BytesIO(reference)).quantization == stored.quantization  # type: ignore[attr-defined]


def test_turned_pictures_of_odd_modes(shared: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGBA"):
        picture = load(with_orientation(scene(mode), "PNG", 6))
        assert (picture.format, picture.image.mode) == ("PNG", mode)
        assert np.array_equal(picture.array, np.rot90(np.asarray(scene(mode).convert("RGB")), -1))
    for mode in ("L", "CMYK"):
        picture = load(with_orientation(scene(mode), "JPEG", 3, quality=100, subsampling=0))
        assert picture.image.mode == mode
        assert np.abs(picture.array[::-1, ::-1].astype(int) - np.asarray(scene(mode).convert("RGB"))).mean() < 4
    grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    picture = load(with_orientation(Image.fromarray(grey), "PNG", 3))
    assert np.array_equal(picture.array[::-1, ::-1, 0], (grey >> 8).astype(np.uint8))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.data))), grey[::-1, ::-1])
    picture = load(with_orientation(scene("RGBA"), "WEBP", 3))
    assert (picture.format, picture.image.mode) == ("JPEG", "RGB")
    transparent = with_orientation(scene("P"), "PNG", 3, transparency=3)
    assert Image.open(io.BytesIO(load(transparent).data)).info["transparency"] == 3


def test_the_profile_survives() -> None:
    profile = b"\0\0\2\0not quite a profile" + bytes(500)
    for codec in ("JPEG", "PNG", "WEBP"):
        picture = load(with_orientation(scene(), codec, 6, icc_profile=profile))
        assert picture.reencoded
        assert Image.open(io.BytesIO(picture.data)).info["icc_profile"] == profile
        assert "icc_profile" not in Image.open(io.BytesIO(load(with_orientation(scene(), codec, 6)).data)).info


@pytest.mark.parametrize("value", [0, 9, 65535, (6, 6, 6)])
def test_orientations_that_are_none(value: Any) -> None:
    if value == (6, 6, 6):
        entry = struct.pack("<HHIHHH", 0x0112, 3, 3, 6, 6, 6)
        exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
        raw = saved(scene(), "JPEG", exif=exif)
    else:
        raw = with_orientation(scene(), "JPEG", value)
    assert load(raw).data is raw


def test_broken_exif_is_no_exif() -> None:
    for exif in (
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0garbage" * 9,
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
    ):
        raw = saved(scene(), "JPEG", exif=exif)
        assert load(raw).data is raw


def test_xmp_orientation_counts() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raw = saved(scene(), "JPEG", xmp=xmp)
    picture = load(raw)
    assert (picture.width, picture.height, picture.reencoded) == (40, 61, True)
    assert b"Orientation" not in picture.data


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_limits_come_before_decoding() -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")
    webp = bytearray(saved(scene(), "WEBP", lossless=True))
    webp[21:25] = ((16383) | (16383 << 14)).to_bytes(4, "little")
    extended = b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff" * 6 + bytes(80)
    jpeg = bytearray(saved(scene(), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\xff\xff\xff\xff"
    for raw in (bomb, bytes(webp), extended, bytes(jpeg)):
        assert reason(raw) == "pixels"
    assert reason(saved(scene(), "PNG"), max_pixels=61 * 40 - 1) == "pixels"
    assert load(saved(scene(), "PNG"), max_pixels=61 * 40).width == 61
    raw = saved(scene(), "PNG")
    assert reason(raw, max_bytes=len(raw) - 1) == "too_large"
    assert load(raw, max_bytes=len(raw)).data is raw
    assert reason(b"") == "empty"


def test_pillow_s_own_pixel_limit_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for codec in ("JPEG", "PNG"):
            assert load(saved(scene(), codec)).width == 61
            assert load(with_orientation(scene(), codec, 6)).width == 40
        assert reason(saved(scene(), "WEBP")) == "pixels"  # Pillow's WebP reader insists
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 61 * 40 - 1)  # where it would only warn
        assert load(saved(scene(), "WEBP")).width == 61


@pytest.mark.parametrize("codec", ["PNG", "WEBP"])
def test_animations(codec: str) -> None:
    frames = [scene(), ImageOps.invert(scene())]
    assert reason(saved(frames[0], codec, save_all=True, append_images=frames[1:])) == "frames"
    assert load(saved(frames[0], codec, save_all=True)).width == 61


def test_a_phone_s_mpo_is_its_first_photograph() -> None:
    raw = saved(scene(), "MPO", save_all=True, append_images=[ImageOps.invert(scene())])
    picture = load(raw)
    assert (picture.format, picture.data is raw) == ("JPEG", True)
    assert np.array_equal(picture.array, rgb(raw))


@pytest.mark.parametrize("codec", ["GIF", "BMP", "TIFF", "PPM", "ICO", "JPEG2000", "AVIF", "TGA", "PDF"])
def test_other_formats_are_named(codec: str) -> None:
    if codec in ("AVIF", "JPEG2000") and not features.check("avif" if codec == "AVIF" else "jpg_2000"):
        pytest.skip(f"this Pillow writes no {codec}")
    raw = saved(scene(), codec)
    with pytest.raises(SampleError) as caught:
        load(raw)
    assert caught.value.reason == "format"
    name = {"TGA": "unknown data", "ICO": "icon", "PPM": "PNM", "JPEG2000": "JPEG 2000"}.get(codec, codec)
    assert name in caught.value.detail


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"<!DOCTYPE html><html>404", "HTML"),
        (b"\xef\xbb\xbf  <HTML>", "HTML"),
        (b'<?xml version="1.0"?>\n<!-- by hand -->\n<svg xmlns="">', "SVG"),
        (b'{"error": "not found"}', "JSON"),
        (b"Not found", "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"\0\0\0\x18ftypheic", "HEIF"),
        (b"\x93NUMPY", "unknown data that begins 93 4e"),
        (bytes(10), "unknown data"),
    ],
)
def test_what_is_no_picture_is_named(raw: bytes, name: str) -> None:
    with pytest.raises(SampleError, match=name) as caught:
        load(raw)
    assert caught.value.reason == "format"


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP"])
def test_a_cut_picture_is_never_taken_for_a_whole_one(codec: str) -> None:
    raw = saved(scene(), codec)
    for cut in range(1, len(raw)):
        picture = outcome(raw[:cut])
        if isinstance(picture, str):
            assert picture in ("truncated", "corrupt", "format"), cut
            continue
        # A PNG's pixels are all there without its last checksums, a WebP's without the byte that pads it.
        assert cut >= len(raw) - {"JPEG": 0, "PNG": 24, "WEBP": 1}[codec], cut
        assert np.array_equal(picture.array, rgb(raw))


def jpegs(shared: Path) -> list[bytes]:
    made = [scene(), scene(size=(200, 123))]
    raws = [
        saved(image, "JPEG", **options) for image in made for options in ({}, {"progressive": True}, {"optimize": True})
    ]
    raws += [saved(made[1].convert(mode), "JPEG") for mode in ("L", "CMYK")]
    return raws + [path.read_bytes() for path in photos(shared)[:6]]


def test_jpegs_closed_or_filled_up_after_a_cut(shared: Path) -> None:
    for raw in jpegs(shared):
        scan = raw.rindex(b"\xff\xda") + 20
        for cut in np.linspace(scan, len(raw) - 40, 15, dtype=int):
            part = raw[:cut]
            assert reason(part) == "truncated"
            assert reason(part + b"\xff\xd9") == "truncated"
            assert reason(part + bytes(len(raw) - cut)) == "truncated"
            assert reason(part + bytes(len(raw) - cut - 2) + b"\xff\xd9") == "truncated"


def test_progressive_jpegs_with_scans_missing() -> None:
    raw = saved(scene(size=(200, 123)), "JPEG", progressive=True)
    scans = [at for at in range(len(raw)) if raw.startswith(b"\xff\xda", at)]
    for at in scans[1:]:
        assert reason(raw[:at]) == "truncated"


def test_harmless_oddities_of_jpeg() -> None:
    raw = saved(scene(), "JPEG")
    for odd in (
        raw + b"trailing camera notes",
        raw + bytes(5000),
        raw[:-2] + b"\xff" * 9 + b"\xd9",
        raw[:-2] + bytes(4) + b"\xff\xd9",
    ):
        picture = load(odd)
        assert picture.data is odd
        assert np.array_equal(picture.array, rgb(raw))


def test_damaged_data_never_ends_a_run() -> None:
    random = np.random.default_rng(0)
    for codec in ("JPEG", "PNG", "WEBP"):
        raw = saved(scene(), codec)
        for _ in range(150):
            data = bytearray(raw)
            for position in random.integers(0, len(raw), 3):
                data[position] = random.integers(256)
            picture = outcome(bytes(data))
            if isinstance(picture, str):
                assert picture in REASONS
            else:
                assert picture.array.shape == (picture.height, picture.width, 3)


def test_pillow_s_warnings_stay_inside(shared: Path) -> None:
    folder = shared / "badimages" / "files"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("pil_truncated_exif_dpi.jpg", "pil_invalid-exif.jpg", "pil_hopper_bad_exif.jpg"):
            assert not load((folder / name).read_bytes()).reencoded


def test_threads_agree(shared: Path) -> None:
    raws = [path.read_bytes() for path in photos(shared)[:16]] + [with_orientation(scene(), "JPEG", 6)]
    alone = [hashlib.sha256(load(raw).array.tobytes()).hexdigest() for raw in raws]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            together = pool.map(lambda raw: hashlib.sha256(load(raw).array.tobytes()).hexdigest(), raws)
            assert list(together) == alone


def test_bad_images(shared: Path) -> None:
    """What becomes of each file follows from what Pillow 13 says of it, by the rules of the whitelist."""
    rows = [json.loads(line) for line in (shared / "badimages" / "manifest.jsonl").open()]
    assert len(rows) == 76
    decoded_anyway = {"coco_hole.jpg", "pil_jpeg_ff00_header.jpg", "pil_hopper_idat_after_image_end.png"}
    by_hand = {  # Pillow opens none of these, so it does not say what they are
        "empty.jpg": "empty",
        "json_error.png": "format",
        "sharp_giant-image.jpg": "pixels",
        "sharp_corrupt-header.jpg": "truncated",
        "pil_broken.png": "corrupt",
        "pil_pngtest_bad.png.bin": "format",  # its first byte was changed
    }
    for row in rows:
        raw = (shared / "badimages" / "files" / row["file"]).read_bytes()
        codec = row["pil_open"].split()[0]
        if row["file"] in by_hand:
            expected = by_hand[row["file"]]
        elif codec not in ("JPEG", "MPO", "PNG", "WEBP"):
            expected = "format"
        elif codec != "MPO" and row["pil_frames"] > 1:
            expected = "frames"
        elif row["pil_load"] != "ok":
            expected = "truncated"
        else:
            expected = "ok"
        if row["category"] == "corrupt" and expected == "ok":
            assert row["file"] in decoded_anyway, row["file"]
        picture = outcome(raw)
        if isinstance(picture, str):
            assert picture == expected, row["file"]
            continue
        assert expected == "ok", row["file"]
        assert picture.reencoded is (2 <= (row["pil_orientation"] or 1) <= 8), row["file"]
        assert np.array_equal(picture.array, rgb(picture.data)), row["file"]


def test_overhead_is_small(shared: Path) -> None:
    raws = [path.read_bytes() for path in photos(shared)[:40]]

    def bare() -> None:
        for raw in raws:
            Image.open(io.BytesIO(raw), formats=("JPEG",)).load()

    def ours() -> None:
        for raw in raws:
            load(raw)

    best = {bare: 1e9, ours: 1e9}
    for _ in range(6):
        for run in best:
            start = time.thread_time()
            run()
            best[run] = min(best[run], time.thread_time() - start)
    assert best[ours] <= 1.25 * best[bare]  # 1.1 and less on a quiet machine


def test_a_jpeg_that_nobody_looks_at_is_only_checked() -> None:
    for mode in ("RGB", "L", "CMYK"):
        raw = saved(scene().convert(mode), "JPEG")
        full, checked = load(raw), load_picture(raw, source="a", meta=Meta(), source_sha256="", colours=False)
        assert (checked.pixels is None) is (mode != "CMYK")
        assert (checked.width, checked.height, checked.sha256) == (full.width, full.height, full.sha256)
        assert np.array_equal(checked.array, full.array)
        assert checked.image.size == full.image.size


def test_every_cut_is_seen_without_colours_too(shared: Path) -> None:
    for path in sorted((shared / "photos/coco128/images").iterdir())[:20]:
        raw = path.read_bytes()
        for share in (0.3, 0.7, 0.97):
            cut = raw[: int(len(raw) * share)]
            for end in (b"", b"\xff\xd9", bytes(500) + b"\xff\xd9"):
                with pytest.raises(SampleError) as caught:
                    load_picture(cut + end, source="a", meta=Meta(), source_sha256="", colours=False)
                assert caught.value.reason in ("truncated", "corrupt")
        assert load_picture(raw, source="a", meta=Meta(), source_sha256="", colours=False).width
