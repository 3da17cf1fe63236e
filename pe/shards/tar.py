"""Walking a tar's headers without trusting one of them.

`tarfile` stops in silence at a damaged header, has looped on negative sizes and reads payloads to guess; this walker
reads v7, ustar, GNU and pax archives, checks every header, never follows a link, and says at which byte an archive
stops making sense. Header layout: POSIX.1-2017 `pax`, and "Basic Tar Format" in the GNU tar manual.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pe.errors import PeError

BLOCK = 512
MAX_EXTENSION = 1 << 20
"""The largest pax or long-name payload that is read, in bytes."""

Kind = Literal["file", "directory", "link", "sparse", "special"]

_CHUNK = 1 << 20
_ZEROS = bytes(BLOCK)
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "link",
    b"2": "link",
    b"5": "directory",
    b"S": "sparse",
}
_NO_PAYLOAD = b"123456"


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its name as stored (UTF-8, other bytes as surrogate escapes), payload offset and size in bytes.

    A name is only a name: it may be absolute, hold `..`, be empty, or come twice.
    """

    name: str
    offset: int
    size: int
    kind: Kind = "file"


class TarError(PeError):
    """The archive makes no sense from byte `offset` on; `member` is the one whose payload its end cuts, if so."""

    def __init__(self, what: str, offset: int, member: Member | None = None) -> None:
        self.what = what
        self.offset = offset
        self.member = member
        super().__init__(f"{what} at byte {offset}")


def walk(stream: BinaryIO, size: int | None, *, all_kinds: bool = False) -> Iterator[Member]:
    """The regular files of the tar in `stream`, which stands at its start; with `all_kinds` everything else as well.

    With `size`, the length of the whole archive in bytes, payloads are skipped by seeking; with None (a compressed
    stream) by reading. A member is yielded once its whole payload is known to be there. The walk ends only at an end
    marker of two zero blocks with nothing but zeros behind it.

    Raises TarError, and nothing else, at the first damage: a wrong checksum, a size out of bounds, a payload cut by
    the end of the file, a missing end marker, data behind it, a read that fails.
    """
    cursor = _Cursor(stream, size)
    common: dict[str, bytes] = {}
    extension: dict[str, bytes] = {}
    extended = False
    while True:
        start = cursor.position
        header = cursor.take(BLOCK, "a header")
        if header == _ZEROS and not extended:
            _check_end(cursor, start)
            return
        if not header or header == _ZEROS:
            what = "an extended header without a member" if extended else "no end marker (the archive may be cut)"
            raise TarError(what, start)
        name, length, flag = _parse(header, start)
        if flag in b"xXgLK":
            if length > MAX_EXTENSION:
                raise TarError(f"an extended header of {length} bytes", start)
            payload = cursor.take(length, "an extended header", whole=True)
            cursor.skip(-length % BLOCK)
            if flag == b"g":
                common |= _pax(payload, start)
            elif flag in b"xX":
                extension |= _pax(payload, start)
            elif flag == b"L":
                extension["path"] = payload.partition(b"\0")[0]
            extended = extended or flag != b"g"
            continue
        member = _member(name, length, flag, common | extension, start)
        extension, extended = {}, False
        if flag == b"S":
            _skip_sparse_map(cursor, header)
        member = Member(member.name, cursor.position, member.size, member.kind)
        cursor.skip(member.size, member)
        if all_kinds or member.kind == "file":
            yield member
        cursor.skip(-member.size % BLOCK)


def is_header(block: bytes) -> bool:
    """Whether `block` is a whole header with a right checksum, as at the beginning of every tar that is not empty."""
    try:
        return len(block) == BLOCK and block != _ZEROS and bool(_parse(block, 0))
    except TarError:
        return False


class _Cursor:
    """A position in the archive that only moves forward: by seeking where the size is known, else by reading."""

    def __init__(self, stream: BinaryIO, size: int | None) -> None:
        self.stream = stream
        self.size = size
        self.position = 0

    def take(self, count: int, what: str, *, whole: bool = False) -> bytes:
        """The next `count` bytes; nothing at the very end unless `whole`; TarError where the end cuts them."""
        data = self.read(count)
        if len(data) < count and (data or whole):
            raise TarError(f"the archive ends inside {what}", self.position)
        self.position += len(data)
        return data

    def skip(self, count: int, member: Member | None = None) -> None:
        """Move on by `count` bytes; TarError where the end cuts the payload of `member`."""
        if not count:
            return
        end = self.position + count
        if self.size is None:
            while self.position < end and (part := self.read(min(end - self.position, _CHUNK))):
                self.position += len(part)
        elif end <= self.size:
            self.position = end
            try:
                self.stream.seek(end)
            except (OSError, ValueError) as error:
                raise TarError(f"the archive cannot be read ({error})", end) from None
        if self.position < end and member is not None:
            raise TarError(f"the archive ends inside a member of {member.size} bytes", member.offset, member)

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, fewer only at the end; `position` stays."""
        parts = []
        try:
            while count and (part := self.stream.read(count)):
                parts.append(part)
                count -= len(part)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise TarError(f"the archive cannot be read ({error})", self.position) from None
        return b"".join(parts)


def _check_end(cursor: _Cursor, start: int) -> None:
    """The block at `start` was zero: so must be the next one, and all that follows."""
    if cursor.take(BLOCK, "its end marker") != _ZEROS:
        raise TarError("an end marker of one block instead of two (the archive may be cut)", start)
    behind = start + 2 * BLOCK
    while data := cursor.read(_CHUNK):
        if data.strip(b"\0"):
            raise TarError("data behind the end marker", behind + len(data) - len(data.lstrip(b"\0")))
        behind += len(data)


def _parse(header: bytes, start: int) -> tuple[bytes, int, bytes]:
    """Name, size and type flag of a header block whose checksum is right."""
    stored = _number(header[148:156], start, "checksum")
    summed = header[:148] + b" " * 8 + header[156:]
    # Some old writers summed signed bytes.
    if stored != sum(summed) and stored != sum(summed) - 256 * sum(byte > 127 for byte in summed):
        raise TarError("header checksum wrong", start)
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0]
    if header[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return name, _number(header[124:136], start, "size"), header[156:157]


def _number(field: bytes, start: int, what: str) -> int:
    """A header's number, octal text or base-256; never negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        raise TarError(f"header with a {what} that is no number", start)
    return int(digits or b"0", 8)


def _pax(payload: bytes, start: int) -> dict[str, bytes]:
    """The records of a pax header: "LENGTH KEY=VALUE\\n", LENGTH counting all of it."""
    records: dict[str, bytes] = {}
    position = 0
    while position < len(payload) and payload[position] != 0:
        space = payload.find(b" ", position, position + 9)
        digits = payload[position : max(space, position)]
        end = position + int(digits) if digits.isdigit() else 0
        key, equals, value = payload[space + 1 : end - 1].partition(b"=")
        if end <= space or end > len(payload) or payload[end - 1 : end] != b"\n" or not equals:
            raise TarError("a pax header that cannot be read", start)
        records[key.decode("utf-8", "surrogateescape")] = value
        position = end
    return records


def _member(name: bytes, size: int, flag: bytes, pax: dict[str, bytes], start: int) -> Member:
    """The member that a header and the extended headers before it describe; its offset is not known yet."""
    kind = _KINDS.get(flag, "special")
    if value := pax.get("size"):
        if not value.isdigit() or len(value) > 20:
            raise TarError("a pax header with a size that is no number", start)
        size = int(value)
    name = pax.get("path") or name
    if any(key.startswith("GNU.sparse.") for key in pax):
        kind = "sparse"
        name = pax.get("GNU.sparse.name") or name
    elif flag == b"\0" and name.endswith(b"/"):
        kind = "directory"
    text = name.decode("utf-8", "surrogateescape")
    return Member(text, 0, 0 if flag in _NO_PAYLOAD or kind == "directory" else size, kind)


def _skip_sparse_map(cursor: _Cursor, header: bytes) -> None:
    """Old GNU sparse members may put blocks of their map between header and payload."""
    more = header[482]
    while more:
        more = cursor.take(BLOCK, "a sparse map", whole=True)[504]
