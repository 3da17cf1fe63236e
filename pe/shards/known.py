"""What is planned already, compact enough for millions of inputs."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pe.shards.phash import NearIndex


class Known:
    """Ids, stamps and bytes that have been seen, as 15-byte digests: about 210 bytes of memory an input.

    Fingerprints of pictures, where there are any, take about 70 bytes more.
    """

    def __init__(self) -> None:
        self._stamps: set[bytes] = set()
        self._first: dict[bytes, str] = {}
        self._again: set[bytes] = set()

    @cached_property
    def _near(self) -> NearIndex:
        # Where near-duplicates are kept, planning needs no OpenCV.
        from pe.shards.phash import NearIndex

        return NearIndex()

    def list(self, name: str, stamp: str) -> None:
        """Note that id `name` was seen with this stamp."""
        self._stamps.add(_digest(name, stamp))

    def add(self, name: str, stamp: str, sha256: str, dup_of: str, fingerprint: int = 0) -> None:
        """Note a planned input; `sha256` is "" when it could not be read, `fingerprint` 0 when it has none."""
        self.list(name, stamp)
        if dup_of:
            self._again.add(_digest(name, sha256))
        elif sha256:
            self._first[_short(sha256)] = name
            if fingerprint:
                self._near.add(fingerprint, name)

    def is_listed(self, name: str, stamp: str) -> bool:
        """Whether this very entry is known, going by its stamp."""
        return _digest(name, stamp) in self._stamps

    def first_with(self, sha256: str) -> str:
        """The id these bytes were first planned under, "" when they are new."""
        return self._first.get(_short(sha256), "") if sha256 else ""

    def first_near(self, fingerprint: int) -> str:
        """The id of the first picture that looks the same and is no duplicate itself, "" when there is none."""
        return self._near.first(fingerprint) if fingerprint else ""

    def is_planned(self, name: str, sha256: str) -> bool:
        """Whether these bytes are planned under this id."""
        return bool(sha256) and (self._first.get(_short(sha256)) == name or _digest(name, sha256) in self._again)


def _digest(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=15).digest()


def _short(sha256: str) -> bytes:
    return bytes.fromhex(sha256[:30])
