"""Image bytes in, a checked and upright picture out: formats by content, limits before decoding, EXIF applied once."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pe.errors import SampleError
from pe.shards.signatures import name_of, webp_header
from pe.shards.sources.base import Meta

REASONS = {
    "empty": "no bytes at all",
    "too_large": "more bytes than the limit",
    "format": "not JPEG, PNG or WebP, whatever the suffix says",
    "pixels": "the header declares more pixels than the limit",
    "frames": "an animation",
    "truncated": "the data ends before the picture does",
    "corrupt": "the data cannot be decoded",
}
"""Every reason of the SampleErrors that `load_picture` raises."""

Codec = Literal["JPEG", "PNG", "WEBP"]
Pixels = npt.NDArray[np.uint8]

_PLUGINS: dict[str, type[ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WEBP": WebPImageFile}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_PILLOW = re.compile(r"PIL\.")


@dataclass(eq=False)
class Picture:
    """A decoded image as it is stored: upright, whole, with the bytes that go into the shard.

    `pixels` is what the decoder gave: a PIL image, or an array (H, W, 3) or (H, W, 1) uint8; None for a JPEG that was
    only checked, which is decoded when it is looked at. Width and height are in stored pixels, `format` and `sha256`
    are those of `data`.
    """

    pixels: Image.Image | Pixels | None
    data: bytes
    format: Codec
    width: int
    height: int
    sha256: str
    source: str
    source_sha256: str
    reencoded: bool = False
    meta: Meta = field(default_factory=Meta)

    @cached_property
    def _decoded(self) -> Image.Image | Pixels:
        if self.pixels is not None:
            return self.pixels
        return _eight_bit(_decode(_open(self.data, self.format, self.width * self.height), self.data, self.format))

    @cached_property
    def image(self) -> Image.Image:
        """The stored bytes decoded, in their own mode; 16-bit grey is scaled to 8 bits."""
        return _as_image(self._decoded)

    @cached_property
    def array(self) -> Pixels:
        """RGB, (H, W, 3) uint8, read-only: what PIL's convert("RGB") gives for `image`."""
        pixels = self._decoded
        if isinstance(pixels, Image.Image):
            pixels = np.asarray(pixels if pixels.mode == "RGB" else pixels.convert("RGB"))
        elif pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        pixels.flags.writeable = False
        return pixels


def load_picture(
    raw: bytes,
    *,
    source: str,
    meta: Meta,
    source_sha256: str,
    max_bytes: int = 50_000_000,
    max_pixels: int = 100_000_000,
    colours: bool = True,
) -> Picture:
    """Check and decode the bytes of one input; thread-safe.

    The bytes are kept as they are unless EXIF, XMP or a PNG chunk says that the picture lies turned or mirrored: then
    it is stored upright and without that tag, as JPEG quality 95 4:4:4, or as PNG if the source was lossless, with its
    ICC profile. `source_sha256` may be empty: then it is computed. With `colours=False` a JPEG is read to its end, so
    that it is known to be whole, and left undecoded until somebody looks at it.

    Raises SampleError with one of REASONS.
    """
    if not raw:
        raise SampleError("empty", "0 bytes")
    if len(raw) > max_bytes:
        raise SampleError("too_large", f"{len(raw)} bytes, the limit is {max_bytes}")
    codec = codec_of(raw)
    source_sha256 = source_sha256 or hashlib.sha256(raw).hexdigest()
    header = _open(raw, codec, max_pixels)
    pixels = None
    # A PNG's tags may stand behind its pixels: those of other codecs alone are there before.
    if colours or codec != "JPEG" or _orientation(header) in _TURNS or not _is_whole_jpeg(raw, header):
        pixels = _decode(header, raw, codec)
    data, sha256 = raw, source_sha256
    turn = _TURNS.get(_orientation(header))
    if turn is not None:
        lossless = codec == "PNG" or (codec == "WEBP" and webp_header(raw).lossless)
        codec = "PNG" if lossless else "JPEG"
        assert pixels is not None
        data = _encode(_as_image(pixels).transpose(turn), codec, header.info.get("icc_profile"))
        sha256 = hashlib.sha256(data).hexdigest()
        header = _open(data, codec, max_pixels)
        pixels = _decode(header, data, codec)
    return Picture(
        pixels=None if pixels is None else _eight_bit(pixels),
        data=data,
        format=codec,
        width=header.width,
        height=header.height,
        sha256=sha256,
        source=source,
        source_sha256=source_sha256,
        reencoded=turn is not None,
        meta=meta,
    )


def codec_of(raw: bytes) -> Codec:
    """The codec of `raw` by its first bytes; SampleError("format") says what it is instead, where that is known."""
    if raw.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
        return "WEBP"
    raise SampleError("format", f"{name_of(raw)}; only JPEG, PNG and WebP are accepted")


def _open(raw: bytes, codec: Codec, max_pixels: int) -> ImageFile:
    """The header read and held against the limits, no pixel decoded."""
    if codec == "WEBP":
        # Pillow allocates the canvas while it opens a WebP, so its size is looked up first.
        declared = webp_header(raw)
        _check_pixels(declared.width, declared.height, max_pixels)
        if declared.size > len(raw) + 1:  # the last padding byte is often left out
            raise SampleError("truncated", f"{len(raw)} bytes of {declared.size}")
    _quiet_pillow()
    try:
        # The plugin itself, not Image.open: that one warns of or refuses sizes by a limit of its own process-wide
        # setting, and takes a JPEG of several frames (MPO) for another format.
        header = _PLUGINS[codec](io.BytesIO(raw))
    except MemoryError:
        raise
    except Exception as error:
        raise _refusal(error) from None
    _check_pixels(header.width, header.height, max_pixels)
    frames = getattr(header, "n_frames", 1)
    if frames > 1:
        raise SampleError("frames", f"{codec} animation of {frames} frames")
    return header


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise SampleError("pixels", f"{width}x{height} is {width * height} pixels, the limit is {max_pixels}")


def _decode(header: ImageFile, raw: bytes, codec: Codec) -> Image.Image | Pixels:
    """All pixels; an array where the strict JPEG decoder could be used."""
    if codec == "JPEG":
        pixels = _strict_jpeg(raw, header)
        if pixels is not None:
            return pixels
    try:
        header.load()
    except MemoryError:
        raise
    except Exception as error:
        raise _refusal(error) from None
    return header


def _strict_jpeg(raw: bytes, header: ImageFile) -> Pixels | None:
    """The pixels of a JPEG, the same that Pillow gives, or None where Pillow has to decode."""
    mode = header.mode
    pixels = _simplejpeg(raw, header, {"L": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB"), 1)
    # The two differ in the sign of CMYK.
    return pixels if mode in ("L", "RGB") else None


def _is_whole_jpeg(raw: bytes, header: ImageFile) -> bool:
    """Whether the whole scan can be read; at an eighth of the size no time goes into pixels."""
    return header.mode in ("L", "RGB") and _simplejpeg(raw, header, "GRAY", 8) is not None


def _simplejpeg(raw: bytes, header: ImageFile, colours: str, shrink: int) -> Pixels | None:
    """What simplejpeg decodes, None when it cannot; SampleError for a JPEG that ends early.

    Pillow takes a JPEG that was cut and closed with an end marker, or filled up with zeros, for a whole one: libjpeg
    only warns. This decoder reports the last warning. Stray bytes between segments are harmless and common.
    """
    try:
        if simplejpeg.decode_jpeg_header(raw, strict=False)[:2] != (header.height, header.width):
            return None
        least = {"min_height": 1, "min_width": 1, "min_factor": shrink} if shrink > 1 else {}
        pixels: Pixels = simplejpeg.decode_jpeg(raw, colours, strict=True, **least)
    except MemoryError:
        raise
    except Exception as error:  # a KeyError, too, for headers that it does not know
        warning = str(error)
        cut = "premature end" in warning.lower()
        padded = warning.endswith("before marker 0xd9") and bytes(16) + b"\xff\xd9" in raw
        if cut or padded:
            raise SampleError("truncated", "zeros instead of JPEG data" if padded else warning) from None
        return None
    return pixels


def _refusal(error: Exception) -> SampleError:
    """What Pillow raised, as one of our reasons."""
    text = str(error) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):  # from a plugin that asks Pillow's own limit
        return SampleError("pixels", text)
    return SampleError("truncated" if "truncated" in text.lower() else "corrupt", text)


def _orientation(header: ImageFile) -> int:
    """1 to 8; a tag that is broken, absent or out of range counts as 1."""
    try:
        value = header.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever is in there: the pixels are fine without it
        return 1
    return value if isinstance(value, int) else 1


def _encode(image: Image.Image, codec: Codec, icc_profile: Any) -> bytes:
    """Deterministic bytes of `image` without any metadata but its profile (and a PNG's transparency)."""
    options: dict[str, Any] = {"quality": 95, "subsampling": 0}
    if codec == "PNG":
        options = {key: value for key, value in image.info.items() if key == "transparency"}
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    image.info = {}
    out = io.BytesIO()
    image.save(out, codec, icc_profile=icc_profile, **options)
    return out.getvalue()


def _as_image(pixels: Image.Image | Pixels) -> Image.Image:
    if isinstance(pixels, Image.Image):
        return pixels
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _eight_bit(image: Image.Image | Pixels) -> Image.Image | Pixels:
    """16-bit grey by its high byte, as Pillow reads 16-bit colour; its convert() would clip at 255 instead."""
    if not isinstance(image, Image.Image):
        return image
    # A transparent colour does not change RGB values, and Pillow warns of some on the way there.
    image.info.pop("transparency", None)
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    return image


def _quiet_pillow() -> None:
    """Keep Pillow's warnings (of broken EXIF) out of the log.

    `warnings.catch_warnings` is not thread-safe, so this is a filter that stays, put in front again where others
    have pushed it back.
    """
    filters = warnings.filters
    if not filters or filters[0][3] != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)
