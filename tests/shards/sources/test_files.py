"""Folders, globs, lists and single files."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from pe.errors import InputError, SampleError
from pe.shards.pictures import load_picture
from pe.shards.sources import open_source
from pe.shards.sources.base import Entry
from tests.shards.sources.helpers import jpeg, listed, outcomes, tar, write


def test_a_folder_is_everything_that_is_not_something_else(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/z.jpg", "a/y", "a/x.unknown", "c d.png", "a.jpg", "deep/er/still/x.webp"):
        write(tmp_path / name, jpeg())
    for name in ("b.json", "note.txt", ".hidden.jpg", ".git/x.jpg", "README", "a/labels.csv", "index.db"):
        write(tmp_path / name, b"{}")
    (tmp_path / "empty").mkdir()
    source, entries = listed(tmp_path)
    assert [entry.id for entry in entries] == [
        "a/x.unknown",
        "a/y",
        "a/z.jpg",
        "a.jpg",
        "b.jpg",
        "c d.png",
        "deep/er/still/x.webp",
    ]
    assert source.ignored == {".json": 1, ".txt": 1, "hidden": 2, "readme": 1, ".csv": 1, ".db": 1}
    assert source.read(entries[0]).data == jpeg()
    size, stamp = entries[0].size, entries[0].stamp
    assert size == len(jpeg())
    assert stamp == f"{size}:{(tmp_path / 'a/x.unknown').stat().st_mtime_ns}"
    assert json.loads(json.dumps(entries[0].at)) == entries[0].at
    assert str(tmp_path) not in repr(entries)


def test_the_order_of_the_file_system_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (3, 1, 2, 10):
        write(tmp_path / f"f{number}" / "x.jpg", jpeg())
    _, entries = listed(tmp_path)
    scandir = os.scandir

    class Backwards:
        def __init__(self, folder: str) -> None:
            with scandir(folder) as found:
                self.entries = sorted(found, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert listed(tmp_path)[1] == entries
    assert [entry.id for entry in entries] == ["f1/x.jpg", "f10/x.jpg", "f2/x.jpg", "f3/x.jpg"]


def test_what_img2dataset_writes_beside_files(tmp_path: Path) -> None:
    write(tmp_path / "00000" / "1.jpg", jpeg())
    write(
        tmp_path / "00000" / "1.json", b'{"caption": "from json", "url": "http://a", "LICENSE": "6", "robots": "noai"}'
    )
    write(tmp_path / "00000" / "1.txt", b"from text")
    write(tmp_path / "00000" / "2.jpg", jpeg())
    write(tmp_path / "00000" / "2.txt", b"only text")
    write(tmp_path / "00000_stats.json", b"{}")
    write(tmp_path / "00000.parquet", b"not looked at in this test")
    source, entries = listed(tmp_path)
    meta = source.read(entries[0]).meta
    assert (meta.caption, meta.url, meta.license, meta.opt_out) == ("from json", "http://a", "6", True)
    assert source.read(entries[1]).meta.caption == "only text"
    assert source.ignored == {".json": 2, ".txt": 2}
    assert entries[2].error is not None
    (tmp_path / "00000" / "1.json").unlink()
    with pytest.raises(SampleError, match="gone"):  # it said noai
        source.read(entries[0])


def test_symlinks(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root / "real" / "a.jpg", jpeg())
    write(outside / "sub" / "b.jpg", jpeg())
    (root / "loop").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "real")
    (root / "out").symlink_to(outside)
    (root / "out2").symlink_to(outside / "sub")
    (outside / "back").symlink_to(root / "real")
    (root / "file.jpg").symlink_to(root / "real" / "a.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing.jpg")
    (root / "gone.json").symlink_to(root / "nothing.json")
    results = outcomes(root)
    assert results == {"file.jpg": "ok", "gone.jpg": "missing", "out/sub/b.jpg": "ok", "real/a.jpg": "ok"}


def test_links_into_a_hidden_store_are_followed(tmp_path: Path) -> None:
    write(tmp_path / ".store" / "a.jpg", jpeg())
    (tmp_path / "data").symlink_to(tmp_path / ".store")
    assert outcomes(tmp_path) == {"data/a.jpg": "ok"}


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path)
    names = [
        b"caf\xe9.jpg",
        b"caf\xc3\xa9.jpg",
        b"caf\\xe9.jpg",
        b"new\nline.jpg",
        b"back\\slash.jpg",
        b"\xff\xfe/x.jpg",
    ]
    for number, name in enumerate(names):
        write(Path(os.fsdecode(raw + b"/" + name)), jpeg(number))
        write(Path(os.fsdecode(raw + b"/" + name[:-4] + b".txt")), b"%d" % number)
    source, entries = listed(tmp_path)
    assert len(entries) == len(names)
    for entry in entries:
        text = json.dumps([entry.id, entry.at], ensure_ascii=False).encode("utf-8").decode("utf-8")
        name, at = json.loads(text)
        again = source.read(Entry(name, entry.size, entry.stamp, at))
        assert again.data == jpeg(int(again.meta.caption))
    assert r"caf\xe9.jpg" in [entry.id for entry in entries]


def test_special_files_are_no_inputs(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", jpeg())
    os.mkfifo(tmp_path / "pipe.jpg")
    source, entries = listed(tmp_path)
    assert [entry.id for entry in entries] == ["a.jpg"]
    assert source.ignored == {"special": 1}
    (tmp_path / "a.jpg").unlink()
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(SampleError, match="unreadable"):
        source.read(entries[0])


def test_files_that_change_while_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write(tmp_path / name, jpeg())
    source, (first, second, third) = listed(tmp_path)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(SampleError, match="unreadable: the file is gone"):
        source.read(first)
    os_open = os.open

    def denied(path: str, *args: int) -> int:
        if str(path).endswith("b.jpg"):
            raise PermissionError(13, "Permission denied", path)
        return os_open(path, *args)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(SampleError) as caught:
        source.read(second)
    assert str(caught.value) == "unreadable: Permission denied"
    (tmp_path / "c.jpg").unlink()
    (tmp_path / "c.jpg").mkdir()
    with pytest.raises(SampleError, match="unreadable"):
        source.read(third)


def test_a_folder_that_may_not_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "open" / "a.jpg", jpeg())
    write(tmp_path / "closed" / "a.jpg", jpeg())
    scandir = os.scandir

    def denied(folder: str) -> object:
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", denied)
    assert outcomes(tmp_path) == {"closed": "unreadable", "open/a.jpg": "ok"}
    with pytest.raises(InputError, match="cannot be listed: Permission denied"):
        list(open_source(str(tmp_path / "closed")).entries())


def test_sizes_are_checked_before_reading(tmp_path: Path) -> None:
    write(tmp_path / "big.jpg")
    with (tmp_path / "big.jpg").open("r+b") as file:
        file.truncate(1 << 40)
    write(tmp_path / "members.tar", tar([("a.jpg", bytes(1001))]))
    source = open_source(str(tmp_path), max_bytes=1000)
    for entry in source.entries():
        with pytest.raises(SampleError) as caught:
            source.read(entry)
        assert caught.value.reason == "too_large"


def test_globs(tmp_path: Path) -> None:
    for name in (
        "a1.jpg",
        "a2.png",
        "sub/a3.jpg",
        "sub/deep/a4.jpg",
        "sub/deep/b.jpg",
        "sub/a5.json",
        ".hidden/a6.jpg",
    ):
        write(tmp_path / name, jpeg())

    def ids(pattern: str) -> list[str]:
        return [entry.id for entry in listed(tmp_path / pattern)[1]]

    assert ids("*.jpg") == ["a1.jpg"]
    assert ids("a?.*") == ["a1.jpg", "a2.png"]
    assert ids("a[2-9].*") == ["a2.png"]
    assert ids("**/*.jpg") == ["a1.jpg", "sub/a3.jpg", "sub/deep/a4.jpg", "sub/deep/b.jpg"]
    assert ids("**/a*.jpg") == ["a1.jpg", "sub/a3.jpg", "sub/deep/a4.jpg"]
    assert ids("sub/**/b.jpg") == ["deep/b.jpg"]
    assert ids("s*/*.jpg") == ["sub/a3.jpg"]
    assert ids("s*") == ["sub/a3.jpg", "sub/deep/a4.jpg", "sub/deep/b.jpg"]
    assert ids("**") == ["a1.jpg", "a2.png", "sub/a3.jpg", "sub/deep/a4.jpg", "sub/deep/b.jpg"]
    assert ids("sub/*/b.jpg") == ["deep/b.jpg"]
    with pytest.raises(InputError, match="no images"):
        ids("*.webp")
    with pytest.raises(InputError, match=r"no images, only 1 \.json"):
        ids("sub/*.json")
    with pytest.raises(InputError, match="no folder"):
        ids("nowhere/*.jpg")


def test_globs_follow_links_once(tmp_path: Path) -> None:
    write(tmp_path / "real" / "x" / "a.jpg", jpeg())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    assert [entry.id for entry in listed(tmp_path / "l*" / "x" / "*.jpg")[1]] == ["link/x/a.jpg"]
    assert [entry.id for entry in listed(tmp_path / "**" / "*.jpg")[1]] == ["link/x/a.jpg"]


def test_lists(tmp_path: Path) -> None:
    for name in ("lists/near.jpg", "far/away.jpg", "lists/sub/odd.bin"):
        write(tmp_path / name, jpeg())
    write(tmp_path / "lists" / "near.txt", b"a caption")
    write(tmp_path / "lists" / "some.tar", tar([("m.jpg", jpeg())]))
    lines = ["#" * 2000, "", "near.jpg", "  sub/../sub/odd.bin ", str(tmp_path / "far" / "away.jpg"), "gone.jpg"]
    lines += ["near.jpg", "./near.jpg", "some.tar", "sub", "http://example.org/x.jpg", "nul\0byte.jpg"]
    write(tmp_path / "lists" / "photos.txt", "\r\n".join(lines).encode())
    results = outcomes(tmp_path / "lists" / "photos.txt")
    assert results == {
        "../far/away.jpg": "ok",
        "gone.jpg": "missing",
        "http://example.org/x.jpg": "not_downloaded",
        "near.jpg": "a caption",
        r"nul\x00byte.jpg": "unreadable",
        "some.tar#m.jpg": "ok",
        "sub": "unreadable",
        "sub/odd.bin": "ok",
    }
    source, entries = listed(tmp_path / "lists" / "photos.txt")
    assert source.ignored == {"repeated line": 2}
    assert str(tmp_path) not in repr(entries)


def test_a_list_of_urls_is_refused(shared: Path) -> None:
    with pytest.raises(InputError, match="img2dataset"):
        listed(shared / "img2dataset" / "repo_samples" / "img2dataset_test_1000.txt")


def test_single_files(tmp_path: Path) -> None:
    write(tmp_path / "photo.jpg", jpeg())
    write(tmp_path / "photo.txt", b"a caption")
    write(tmp_path / "noname", jpeg())
    write(tmp_path / "page.jpg", b"<html>")
    write(tmp_path / "empty.png")
    write(tmp_path / "odd.name", tar([("a.jpg", jpeg())]))
    write(tmp_path / "odder", tar([("a.jpg", jpeg())], "w:gz"))
    write(tmp_path / "list", b"photo.jpg\n")
    assert outcomes(tmp_path / "photo.jpg") == {"photo.jpg": "a caption"}
    assert outcomes(tmp_path / "noname") == {"noname": "ok"}
    assert outcomes(tmp_path / "page.jpg") == {"page.jpg": "ok"}
    assert outcomes(tmp_path / "empty.png") == {"empty.png": "ok"}
    assert outcomes(tmp_path / "odd.name") == {"odd.name#a.jpg": "ok"}
    assert outcomes(tmp_path / "odder") == {"odder#a.jpg": "ok"}
    assert outcomes(tmp_path / "list") == {"photo.jpg": "a caption"}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("video.mp4", b"\0\0\0\x18ftypmp42", "MP4"),
        ("notes.json", b"{}", "JSON"),
        ("a.zip", b"PK\3\4", "ZIP"),
        ("a.gif", b"GIF89a", "GIF"),
        ("empty.txt", b"", "holds no images"),
        ("comments.txt", b"# nothing\n\n", "holds no images"),
    ],
)
def test_words_that_are_no_source(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    write(tmp_path / name, data)
    with pytest.raises(InputError, match=message) as caught:
        listed(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "word", ["nowhere", "nowhere/*.jpg", "no{0..3}.tar", "no{0..99999999}.tar", "xyz://a", "", "a\0b"]
)
def test_what_is_not_there_is_one_line(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        list(open_source(word).entries())
    assert "\n" not in str(caught.value)


def test_a_file_without_inputs_says_what_there_is(tmp_path: Path) -> None:
    write(tmp_path / "a.json", b"{}")
    with pytest.raises(InputError, match=r"holds no images, only 1 .json"):
        listed(tmp_path)


def test_file_urls_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.jpg", jpeg())
    assert outcomes(f"file://{tmp_path}") == {"a.jpg": "ok"}
    monkeypatch.setenv("HOME", str(tmp_path))
    assert outcomes("~") == {"a.jpg": "ok"}


def test_another_process_reads_without_listing(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.jpg", jpeg(1))
    write(tmp_path / "data" / "b.tar", tar([("x.jpg", jpeg(2)), ("x.txt", b"two")]))
    source, entries = listed(tmp_path / "data")
    again = open_source(str(tmp_path / "data"))
    (tmp_path / "data" / "c.jpg").write_bytes(jpeg(3))
    assert [again.read(entry) for entry in entries] == [source.read(entry) for entry in entries]
    code = (
        "import pickle, sys; word, entries = pickle.load(sys.stdin.buffer)\n"
        "from pe.shards.sources import open_source\n"
        "source = open_source(word)\n"
        "print([source.read(entry).meta.caption for entry in entries])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((str(tmp_path / "data"), entries)),
        capture_output=True,
        check=True,
    )
    assert run.stdout.decode().strip() == "['', 'two']"


def test_every_bad_image_is_accounted_for(shared: Path) -> None:
    source, entries = listed(shared / "badimages")
    rows = [json.loads(line) for line in (shared / "badimages" / "manifest.jsonl").open()]
    assert [entry.id for entry in entries] == sorted(f"files/{row['file']}" for row in rows)
    assert len(entries) == 76
    refused = 0
    for entry in entries:
        raw = source.read(entry)
        try:
            load_picture(raw.data, source=entry.id, meta=raw.meta, source_sha256="")
        except SampleError:
            refused += 1
    assert refused == 41
