"""Pictures that look the same: a 64-bit perceptual hash, and an index of hashes that differ in few bits."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["NEAR", "NearIndex", "phash"]

NEAR = 4
"""The most bits in which the hashes of near-duplicates differ."""
_SIDE = 32
_FLAT = 1.0
_BANDS = [(0, 13), (13, 13), (26, 13), (39, 13), (52, 12)]


def phash(pixels: npt.NDArray[np.uint8]) -> int:
    """The 64-bit DCT hash of `pixels`, (H, W, 3) uint8 RGB; 0 for a picture without contrast, and for no other.

    The grey picture shrunk to 32 x 32, its DCT, of that the 8 x 8 lowest frequencies without those that are constant
    along an axis, a bit each for what is above their median: pHash of Zauner, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", 2010, without its blur, which shrinking by area stands in for. Bits go row by row
    from the highest. A change of brightness, contrast, size or JPEG quality changes few of them; a mirrored or turned
    picture is another one.
    """
    # First to 8 bits at four times the size, so that only a fraction of the picture is ever held as floats.
    shape = (min(4 * _SIDE, pixels.shape[1]), min(4 * _SIDE, pixels.shape[0]))
    coarse = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = cv2.resize(cv2.cvtColor(coarse, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    if grey.std() < _FLAT:
        return 0
    low = cv2.dct(grey)[1:9, 1:9]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


class NearIndex:
    """Names by hash, to find those within NEAR bits of another: exact, and no scan.

    Of five bands of a hash one is the same when at most four bits differ (multi-index hashing, Norouzi et al., CVPR
    2012). Of a million hashes about six hundred are compared.
    """

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._names: list[str] = []
        self._bands: list[dict[int, array[int]]] = [{} for _ in _BANDS]

    def __len__(self) -> int:
        return len(self._names)

    def add(self, value: int, name: str) -> None:
        """Note the picture `name` with this hash; one without contrast, 0, is like no other and left out."""
        if not value:
            return
        for (shift, size), band in zip(_BANDS, self._bands, strict=True):
            band.setdefault(value >> shift & (1 << size) - 1, array("L")).append(len(self._names))
        self._hashes.append(value)
        self._names.append(name)

    def first(self, value: int) -> str:
        """The name of the picture that was added first of those within NEAR bits of `value`; "" when there is none."""
        found = len(self._names)
        for (shift, size), band in zip(_BANDS, self._bands, strict=True) if value else ():
            for position in band.get(value >> shift & (1 << size) - 1, ()):
                if position >= found:
                    break
                if (self._hashes[position] ^ value).bit_count() <= NEAR:
                    found = position
        return self._names[found] if found < len(self._names) else ""
