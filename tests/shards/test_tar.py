"""The walker agrees with tarfile on valid archives and says where a damaged one stops making sense."""

from __future__ import annotations

import gzip
import io
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pe.shards.tar import BLOCK, MAX_EXTENSION, Member, TarError, is_header, walk

NAMES = [
    "a.jpg",
    "deep/er/b.json",
    "x" * 120 + ".png",
    "long/" * 40 + "c.jpg",
    "grüße 日本.jpg",
    "./d",
    "../../etc/e.jpg",
]


def packed(names: list[str], fmt: int, payload: bytes = b"payload") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt, encoding="utf-8") as tar:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = number * 300 + len(payload)
            tar.addfile(info, io.BytesIO(payload * (number * 300 // len(payload) + 2)))
    return out.getvalue()


def walked(data: bytes, size: bool = True) -> list[Member]:
    return list(walk(io.BytesIO(data), len(data) if size else None))


def seen(data: bytes, size: bool = True) -> tuple[list[Member], TarError | None]:
    members: list[Member] = []
    try:
        members.extend(walk(io.BytesIO(data), len(data) if size else None))
    except TarError as error:
        return members, error
    return members, None


def by_tarfile(stream: BinaryIO) -> list[tuple[str, int, int]]:
    with tarfile.open(fileobj=stream, encoding="utf-8", errors="surrogateescape") as tar:
        return [(member.name, member.offset_data, member.size) for member in tar if member.isfile()]


def header(name: bytes, size: bytes = b"00000000000\0", flag: bytes = b"0", magic: bytes = b"ustar\00000") -> bytes:
    block = bytearray(BLOCK)
    block[: len(name)] = name
    block[124:136] = size
    block[156:157] = flag
    block[257:265] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(2 * BLOCK)
VALID = packed(["a.jpg", "a.json", "b/" * 60 + "c.jpg", "d.png"], tarfile.PAX_FORMAT)


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("fmt", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_valid_archives_read_as_tarfile_reads_them(fmt: int, sized: bool) -> None:
    names = ["a.jpg", "p/" * 60 + "b.json", "./d"] if fmt == tarfile.USTAR_FORMAT else NAMES
    data = packed(names, fmt)
    members = walked(data, sized)
    assert [(member.name, member.offset, member.size) for member in members] == by_tarfile(io.BytesIO(data))
    assert [member.name for member in members] == names


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.booleans(),
)
def test_any_names(names: list[str], fmt: int, sized: bool) -> None:
    names = [name for name in names if not name.endswith("/")]
    assert [member.name for member in walked(packed(names, fmt), sized)] == names


def test_real_archives(shared: Path) -> None:
    paths = sorted(path for path in (shared / "img2dataset").rglob("*") if path.suffix in (".tar", ".tgz"))
    assert len(paths) >= 9
    for path in paths:
        with path.open("rb") as file:
            zipped = path.suffix == ".tgz"
            stream = gzip.GzipFile(fileobj=file) if zipped else file
            members = list(walk(stream, None if zipped else path.stat().st_size))  # type: ignore[arg-type]
        with tarfile.open(path) as tar:
            assert [(m.name, m.offset, m.size) for m in members] == [
                (m.name, m.offset_data, m.size) for m in tar if m.isfile()
            ]


def test_only_regular_files_unless_asked() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind in [
            ("folder", tarfile.DIRTYPE),
            ("link", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("pipe", tarfile.FIFOTYPE),
            ("device", tarfile.CHRTYPE),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("file")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    data = out.getvalue()
    assert [member.name for member in walked(data)] == ["file"]
    everything = list(walk(io.BytesIO(data), len(data), all_kinds=True))
    assert [member.kind for member in everything] == ["directory", "link", "link", "special", "special", "file"]
    assert data[everything[-1].offset :][: everything[-1].size] == b"abc"


def test_old_unix_archives() -> None:
    data = header(b"plain", b"3          \0", b"\0", bytes(8)) + b"abc".ljust(BLOCK, b"\0")
    data += header(b"folder/", flag=b"\0", magic=bytes(8)) + END
    assert walked(data) == [Member("plain", BLOCK, 3)]


def test_sizes_in_base_256() -> None:
    size = b"\x80" + (3).to_bytes(11, "big")
    data = header(b"a", size) + b"abc".ljust(BLOCK, b"\0") + END
    assert walked(data) == [Member("a", BLOCK, 3)]


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize(
    "size",
    [
        b"\xff" * 12,
        b"\xff" * 11 + b"\x00",
        b"\x80" + b"\xff" * 11,
        b"\x81" + bytes(11),
        b"-0000000001\0",
        b"77777777777\0",
        b"0000000x000\0",
        b"00000000008\0",
    ],
)
def test_sizes_that_lie(size: bytes, sized: bool) -> None:
    good = header(b"good", b"00000000003\0") + b"abc".ljust(BLOCK, b"\0")
    members, error = seen(good + header(b"bad", size) + END, sized)
    assert [member.name for member in members] == ["good"]
    assert error is not None
    assert 2 * BLOCK <= error.offset <= 3 * BLOCK


def pax(flag: bytes, *records: bytes) -> bytes:
    payload = b"".join(b"%d %s\n" % (len(record) + 4, record) for record in records)
    return header(b"pax", b"%011o\0" % len(payload), flag) + payload.ljust(-(-len(payload) // BLOCK) * BLOCK, b"\0")


def test_pax_headers_override_name_and_size() -> None:
    body = b"abc".ljust(BLOCK, b"\0")
    data = pax(b"x", b"path=n/ame", b"size=3") + header(b"short", b"00000007777\0") + body + header(b"next") + END
    assert [(member.name, member.size) for member in walked(data)] == [("n/ame", 3), ("next", 0)]
    data = pax(b"g", b"path=everywhere") + header(b"one") + pax(b"x", b"path=it self") + header(b"two") + END
    assert [member.name for member in walked(data)] == ["everywhere", "it self"]


@pytest.mark.parametrize(
    "payload",
    [
        b"99 path=a\n",
        b"0 path=a\n",
        b"-5 path=a\n",
        b"path=a\n",
        b"10 path=aaaa",
        b"9 pathaaa\n",
        b"9" * 400 + b" a=b\n",
    ],
)
def test_pax_headers_that_cannot_be_read(payload: bytes) -> None:
    data = header(b"pax", b"%011o\0" % len(payload), b"x") + payload.ljust(BLOCK, b"\0") + header(b"a") + END
    assert seen(data)[1] is not None


@pytest.mark.parametrize("value", [b"-1", b"1e3", b"9" * 30, b"0x10"])
def test_pax_sizes_that_are_no_numbers(value: bytes) -> None:
    record = b"size=" + value
    payload = b"%d %s\n" % (len(record) + 4, record)
    assert int(payload.split()[0]) == len(payload)
    data = header(b"pax", b"%011o\0" % len(payload), b"x") + payload.ljust(BLOCK, b"\0") + header(b"a") + END
    error = seen(data)[1]
    assert error is not None
    assert "size" in str(error)


@pytest.mark.parametrize("flag", [b"x", b"g", b"L", b"K"])
@pytest.mark.parametrize("sized", [True, False])
def test_extended_headers_are_bounded(flag: bytes, sized: bool) -> None:
    size = MAX_EXTENSION + 1
    data = header(b"big", b"%011o\0" % size, flag) + b"a" * (size + 511) + END
    error = seen(data, sized)[1]
    assert error is not None
    assert (error.offset, str(MAX_EXTENSION + 1) in str(error)) == (0, True)


def test_sparse_members_are_no_regular_files() -> None:
    sparse = bytearray(header(b"sparse", b"00000000003\0", b"S"))
    sparse[482] = 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    data = bytes(sparse) + bytes(BLOCK) + b"abc".ljust(BLOCK, b"\0") + header(b"next") + END
    assert [member.name for member in walked(data)] == ["next"]
    data = pax(b"x", b"GNU.sparse.major=1", b"GNU.sparse.name=s") + header(b"GNUSparseFile.0/s") + header(b"next") + END
    assert [member.name for member in walked(data)] == ["next"]


@pytest.mark.parametrize("sized", [True, False])
def test_every_cut_is_seen(sized: bool) -> None:
    members = walked(VALID)
    end = members[-1].offset + members[-1].size + -members[-1].size % BLOCK
    for cut in range(0, end + 2 * BLOCK, 64):
        whole, error = seen(VALID[:cut], sized)
        assert error is not None, cut
        assert whole == [member for member in members if member.offset + member.size <= cut], cut
        inside = [member for member in members if member.offset <= cut < member.offset + member.size]
        assert error.member is None if not inside else error.member == inside[0]
    assert seen(VALID[: end + 2 * BLOCK], sized) == (members, None)


def test_data_behind_the_end_marker() -> None:
    whole = VALID.rstrip(b"\0")
    whole += bytes(-len(whole) % BLOCK) + END
    _, error = seen(whole + VALID)
    assert error is not None
    assert (error.offset, error.what) == (len(whole), "data behind the end marker")


def test_one_zero_block_is_no_end() -> None:
    assert seen(header(b"a") + bytes(BLOCK))[1] is not None
    assert seen(header(b"a") + bytes(BLOCK) + header(b"b") + END)[1] is not None


def test_an_empty_archive_and_no_archive() -> None:
    assert walked(END) == []
    assert seen(b"")[1] is not None
    error = seen(b"\xff\xd8\xff" * 1000)[1]
    assert str(error) == "header checksum wrong at byte 0" or "no number" in str(error)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(1, 255)), min_size=1, max_size=4), st.booleans())
@example([(148, 1)], True)
def test_flipped_bytes(flips: list[tuple[int, int]], sized: bool) -> None:
    data = bytearray(VALID)
    for position, mask in flips:
        data[position] ^= mask
    members, _ = seen(bytes(data), sized)
    first = min(position for position, _ in flips)
    expected = [member for member in walked(VALID) if member.offset + member.size <= first]
    assert members[: len(expected)] == expected
    for member in members:
        assert 0 <= member.offset <= member.offset + member.size <= len(data)
    for before, after in pairwise(members):
        assert before.offset + before.size < after.offset


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.booleans())
def test_noise(data: bytes, sized: bool) -> None:
    seen(data, sized)
    padded = header(b"a.jpg", b"00000000001\0") + data
    seen(padded, sized)


def test_a_flipped_header_byte_names_its_block() -> None:
    members = walked(VALID)
    data = bytearray(VALID)
    start = members[1].offset - BLOCK
    data[start + 3] ^= 1
    whole, error = seen(bytes(data))
    assert whole == members[:1]
    assert str(error) == f"header checksum wrong at byte {start}"


def test_reading_errors_are_tar_errors() -> None:
    data = gzip.compress(VALID)
    for broken in (data[:-20], data[:60] + b"\0\0\0\0" + data[64:], b"no gzip"):
        with pytest.raises(TarError):
            list(walk(gzip.GzipFile(fileobj=io.BytesIO(broken)), None))  # type: ignore[arg-type]


def test_is_header() -> None:
    assert is_header(VALID[:BLOCK])
    assert not any(
        is_header(block) for block in (b"", bytes(BLOCK), b"\xff\xd8".ljust(BLOCK, b"\0"), VALID[: BLOCK - 1])
    )
