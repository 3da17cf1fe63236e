"""WebDataset tars: img2dataset's, hand-made, damaged, gzipped."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from pe.errors import SampleError
from pe.shards.sources import tars
from pe.shards.sources.base import Entry, Source
from pe.shards.sources.local import LocalStore
from pe.shards.tar import walk
from tests.shards.sources.helpers import jpeg, listed, outcomes, tar, write

SAMPLES = [(f"{number:04}{suffix}", data) for number in range(6) for suffix, data in [
    (".jpg", jpeg(number)),
    (".json", b'{"caption": "number %d", "url": "http://a/%d"}' % (number, number)),
    (".txt", b"text %d" % number),
]]  # fmt: skip


def same(source: Source, entries: list[Entry], members: dict[str, bytes]) -> None:
    for entry in entries:
        name = entry.id.partition("#")[2]
        assert source.read(entry).data == members[name], name


def test_img2dataset_s_output(shared: Path) -> None:
    source, entries = listed(shared / "img2dataset" / "made_clean")
    assert len(entries) == 68
    assert source.ignored == {".parquet": 3, ".json": 2 + 68, ".txt": 68}
    members = {}
    for path in sorted((shared / "img2dataset" / "made_clean").glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                members[f"{path.name}#{member.name}"] = file.read()
    for entry in random.Random(0).sample(entries, len(entries)):
        raw = source.read(entry)
        assert raw.data == members[entry.id]
        assert len(raw.data) == entry.size
        text = members[entry.id.replace(".jpg", ".txt")].decode().strip()
        assert raw.meta.caption == text
        assert raw.meta.url.startswith("http://")
        assert raw.meta.license in "123456?"
        assert raw.meta.fields["key"] == entry.id.partition("#")[2].partition(".")[0]


def test_other_people_s_tars(shared: Path) -> None:
    source, entries = listed(shared / "img2dataset" / "repo_samples" / "*.t[ag]*")
    names = [entry.id.partition("#")[0] for entry in entries]
    assert len(entries) == 4 + 3 + 2 + 2 + 90
    assert set(names) == {f"clip_retrieval_image{n}.tar" for n in range(1, 5)} | {"webdataset_sample.tgz"}
    assert source.ignored[".mp"] == 100
    for entry in entries:
        assert source.read(entry).data[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_of_a_key(tmp_path: Path, mode: str) -> None:
    members = [
        ("a/k1.txt", b"first"),
        ("a/k1.left.jpg", jpeg(1)),
        ("a/k1.right.png", jpeg(2)),
        ("k2.jpg", jpeg(3)),
        ("k3.jpg", jpeg(4)),
        ("k2.json", b'{"caption": "apart"}'),
        ("k3.cls", b"1"),
        ("k3.pyd", b"\x80code"),
        ("k4", jpeg(5)),
        (".hidden.jpg", jpeg(6)),
        ("../../etc/k5.jpg", jpeg(7)),
        ("/absolute.jpg", jpeg(8)),
        ("nested.tar", b""),
    ]
    path = write(tmp_path / "x.tar", tar(members, mode))
    source, entries = listed(path)
    assert outcomes(path) == {
        "x.tar#a/k1.left.jpg": "first",
        "x.tar#a/k1.right.png": "first",
        "x.tar#k2.jpg": "apart",
        "x.tar#k3.jpg": "ok",
        "x.tar#k4": "ok",
        "x.tar#../../etc/k5.jpg": "ok",
        "x.tar#/absolute.jpg": "ok",
    }
    assert source.ignored == {".txt": 1, ".json": 1, ".cls": 1, ".pyd": 1, "hidden": 1, ".tar": 1}
    same(source, entries, dict(members))
    assert [path.name for path in tmp_path.rglob("*")] == ["x.tar"]


def test_a_name_that_comes_twice(tmp_path: Path) -> None:
    members = [("a.jpg", jpeg(1)), ("a.txt", b"one"), ("a.jpg", jpeg(2)), ("a.txt", b"two"), ("a.jpg", jpeg(3))]
    source, entries = listed(write(tmp_path / "x.tar", tar(members)))
    assert [entry.id for entry in entries] == ["x.tar#a.jpg", r"x.tar#a.jpg\2", r"x.tar#a.jpg\3"]
    raws = [source.read(entry) for entry in entries]
    assert [raw.data for raw in raws] == [jpeg(1), jpeg(2), jpeg(3)]
    assert [raw.meta.caption for raw in raws] == ["one", "two", "one"]


def test_member_names_that_are_not_utf_8(tmp_path: Path) -> None:
    names = ["caf\udce9.jpg", "café.jpg", r"caf\xe9.jpg", "new\nline.jpg"]
    source, entries = listed(write(tmp_path / "x.tar", tar((name, jpeg(n)) for n, name in enumerate(names))))
    assert [entry.id for entry in entries] == [
        r"x.tar#caf\xe9.jpg",
        "x.tar#café.jpg",
        r"x.tar#caf\\xe9.jpg",
        r"x.tar#new\x0aline.jpg",
    ]
    assert [source.read(entry).data for entry in entries] == [jpeg(n) for n in range(4)]


def test_links_and_large_sidecars(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in [("l.jpg", tarfile.SYMTYPE), ("h.jpg", tarfile.LNKTYPE), ("d", tarfile.DIRTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name, data in [("a.jpg", jpeg()), ("a.json", b" " * (tars.MAX_SIDECAR + 1)), ("a.txt", b"kept")]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path = write(tmp_path / "x.tar", out.getvalue())
    source, _ = listed(path)
    assert source.ignored == {"link": 2, ".json": 1, ".txt": 1}
    assert outcomes(path) == {"x.tar#a.jpg": "kept"}


@pytest.mark.parametrize("suffix", ["tar", "tgz"])
def test_damage_keeps_what_comes_before(tmp_path: Path, suffix: str) -> None:
    data = tar(SAMPLES)
    members = list(walk(io.BytesIO(data), len(data)))
    broken = bytearray(data)
    broken[members[9].offset - 512] ^= 1  # the header of 0003.jpg
    stored = bytes(broken) if suffix == "tar" else gzip.compress(bytes(broken))
    path = write(tmp_path / f"x.{suffix}", stored)
    source, entries = listed(path)
    assert [entry.id for entry in entries] == [f"x.{suffix}#{n:04}.jpg" for n in range(3)] + [f"x.{suffix}"]
    detail = f"header checksum wrong at byte {members[9].offset - 512}; what follows cannot be read"
    assert entries[-1].error == ("tar", detail)
    same(source, entries[:-1], dict(SAMPLES))
    with pytest.raises(SampleError, match="checksum"):
        source.read(entries[-1])


def test_every_cut_is_accounted_for(tmp_path: Path) -> None:
    data = tar(SAMPLES)
    members = list(walk(io.BytesIO(data), len(data)))
    end = members[-1].offset + 512
    for cut in range(512, end + 512, 256):
        path = write(tmp_path / "x.tar", data[:cut])
        source, entries = listed(path)
        good = [entry for entry in entries if entry.error is None]
        whole = [m for m in members if m.offset + m.size <= cut and m.name.endswith(".jpg")]
        assert [entry.id for entry in good] == [f"x.tar#{member.name}" for member in whole]
        same(source, good, dict(SAMPLES))
        assert entries[-1].id == "x.tar"
        assert entries[-1].error is not None
        assert entries[-1].error[0] == "tar"
        part = [m for m in members if m.offset <= cut < m.offset + m.size and m.name.endswith(".jpg")]
        assert [entry.id for entry in entries[len(good) : -1]] == [f"x.tar#{member.name}" for member in part]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"<html>not found", "not a tar but an HTML page"),
        (b"BZh91AY", "not a tar but bzip2 data"),
    ],
)
def test_tars_that_are_none(tmp_path: Path, data: bytes, words: str) -> None:
    _, entries = listed(write(tmp_path / "x.tar", data).parent)
    assert [(entry.id, entry.error) for entry in entries] == [("x.tar", ("tar", words))]


def test_cut_gzip(tmp_path: Path) -> None:
    data = tar([(f"{n}.jpg", random.Random(n).randbytes(5000)) for n in range(20)], "w:gz")
    source, entries = listed(write(tmp_path / "x.tar.gz", data[: len(data) // 2]))
    assert 5 < len(entries) < 15
    assert entries[-1].error is not None
    for number, entry in enumerate(entry for entry in entries if entry.error is None):
        assert source.read(entry).data == random.Random(number).randbytes(5000)


def test_a_gzipped_tar_is_read_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "_WINDOW", 150_000)
    monkeypatch.setattr(tars, "_CHUNK", 10_000)
    contents = {f"{n:03}.jpg": random.Random(n).randbytes(random.Random(n).randrange(1, 30_000)) for n in range(60)}
    source, entries = listed(write(tmp_path / "x.tgz", tar(contents.items(), "w:gz")))
    opened = []
    store_open = LocalStore.open

    def counted(self: LocalStore, path: str) -> BinaryIO:
        opened.append(path)
        return store_open(self, path)

    monkeypatch.setattr(LocalStore, "open", counted)
    same(source, entries, contents)
    assert len(opened) == 1
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(lambda entry: hashlib.sha256(source.read(entry).data).digest(), entries))
    assert digests == [hashlib.sha256(data).digest() for data in contents.values()]
    same(source, random.Random(1).sample(entries, len(entries)), contents)


def test_threads_share_a_tar(tmp_path: Path) -> None:
    contents = {f"{n:03}.jpg": random.Random(n).randbytes(3000) for n in range(100)}
    for number in range(12):
        write(tmp_path / f"{number}.tar", tar(contents.items()))
    source, entries = listed(tmp_path)
    entries = random.Random(0).sample(entries, len(entries))
    with ThreadPoolExecutor(4) as pool:
        raws = list(pool.map(source.read, entries))
    assert all(raw.data == contents[entry.id.partition("#")[2]] for raw, entry in zip(raws, entries, strict=True))


def test_a_tar_that_shrinks(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tar", tar(SAMPLES))
    source, entries = listed(path)
    with path.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(SampleError, match="unreadable"):
        source.read(entries[-1])
