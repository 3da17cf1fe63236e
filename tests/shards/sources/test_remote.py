"""The same sources on anything fsspec can open."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pe.errors import InputError, SampleError, TryLater
from pe.shards.sources import open_source
from tests.shards.sources.helpers import jpeg, listed, outcomes, tar


@pytest.fixture
def bucket() -> str:
    return f"memory://{uuid.uuid4().hex}"


def put(url: str, data: bytes) -> None:
    with fsspec.open(url, "wb") as file:
        file.write(data)


def test_a_bucket(bucket: str, shared: Path) -> None:
    parquet = (shared / "img2dataset" / "made_parquet" / "00000.parquet").read_bytes()
    put(f"{bucket}/a/1.jpg", jpeg(1))
    put(f"{bucket}/a/1.json", b'{"caption": "one"}')
    put(f"{bucket}/a/.hidden.jpg", jpeg(1))
    put(f"{bucket}/b.tar", tar([("x.jpg", jpeg(2)), ("x.txt", b"two")]))
    put(f"{bucket}/c.tgz", tar([("x.jpg", jpeg(3)), ("x.txt", b"three")], "w:gz"))
    put(f"{bucket}/d.parquet", parquet)
    put(f"{bucket}/list.txt", b"a/1.jpg\n../nothing.jpg\n%s/b.tar\n" % bucket.encode())
    results = outcomes(bucket)
    assert list(results)[:4] == ["a/1.jpg", "b.tar#x.jpg", "c.tgz#x.jpg", "d.parquet#0"]
    assert list(results.values())[:4] == ["one", "two", "three", "not_downloaded"]
    assert len(results) == 3 + 17
    source, entries = listed(bucket)
    assert source.ignored == {".json": 1, "hidden": 1, ".txt": 3}
    assert source.read(entries[1]).data == jpeg(2)
    assert outcomes(f"{bucket}/b.tar") == {"b.tar#x.jpg": "two"}
    assert outcomes(f"{bucket}/*/*.jpg") == {"a/1.jpg": "one"}
    assert outcomes(f"{bucket}/**/*.t*") == {"b.tar#x.jpg": "two", "c.tgz#x.jpg": "three"}
    assert outcomes(f"{bucket}/{{a,b}}.tar") == {"a.tar": "missing", "b.tar#x.jpg": "two"}
    assert outcomes(f"{bucket}/a/1.jpg") == {"1.jpg": "one"}
    assert outcomes(f"{bucket}/list.txt") == {
        "../nothing.jpg": "missing",
        "a/1.jpg": "one",
        f"{bucket}/b.tar#x.jpg": "two",
    }
    for word in (f"{bucket}/nothing", f"{bucket}/*.gif", f"{bucket}-not-there/*.jpg"):
        with pytest.raises(InputError) as caught:
            listed(word)
        assert "\n" not in str(caught.value)


def test_stamps_change_with_the_bytes(bucket: str) -> None:
    put(f"{bucket}/1.jpg", jpeg(1))
    put(f"{bucket}/2.jpg", jpeg(1))
    before = [entry.stamp for entry in listed(bucket)[1]]
    time.sleep(0.01)
    put(f"{bucket}/1.jpg", jpeg(2))
    after = [entry.stamp for entry in listed(bucket)[1]]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_limits_and_lost_files(bucket: str) -> None:
    put(f"{bucket}/1.jpg", bytes(2000))
    put(f"{bucket}/2.jpg", bytes(10))
    source = open_source(bucket, max_bytes=1000)
    first, second = source.entries()
    with pytest.raises(SampleError, match="too_large"):
        source.read(first)
    fsspec.filesystem("memory").rm(second.id if second.id.startswith("/") else f"{bucket[8:]}/{second.id}")
    with pytest.raises(SampleError, match="unreadable"):
        source.read(second)


def test_a_server_without_ranges(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(f"{bucket}/b.tar", tar([(f"{n}.jpg", jpeg(n)) for n in range(4)]))
    source, entries = listed(f"{bucket}/b.tar")
    cat_file = MemoryFileSystem.cat_file
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda self, path, **ranges: cat_file(self, path))
    assert [source.read(entry).data for entry in entries] == [jpeg(n) for n in range(4)]


class Flaky(MemoryFileSystem):  # type: ignore[misc]
    """A store whose connection or credentials fail."""

    protocol = "flaky"
    failure: Exception | None = None

    def _open(self, path: str, *args: Any, **options: Any) -> Any:
        if Flaky.failure:
            raise Flaky.failure
        return super()._open(path, *args, **options)

    def info(self, path: str, **options: Any) -> Any:
        if Flaky.failure:
            raise Flaky.failure
        return super().info(path, **options)


class EndpointConnectionError(Exception):
    """Named as botocore names it; it is no OSError."""


fsspec.register_implementation("flaky", Flaky, clobber=True)


@pytest.mark.parametrize("failure", [ConnectionResetError("reset"), TimeoutError(), EndpointConnectionError("no host")])
def test_a_store_that_is_down_is_no_bad_input(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    put("flaky://down/1.jpg", jpeg())
    source = open_source("flaky://down")
    (entry,) = source.entries()
    monkeypatch.setattr(Flaky, "failure", failure)
    with pytest.raises(TryLater, match="does not answer"):
        source.read(entry)
    with pytest.raises(TryLater, match="does not answer"):
        open_source("flaky://down/1.jpg")


def test_errors_of_a_store_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    put("flaky://denied/1.jpg", jpeg())
    source = open_source("flaky://denied")
    (entry,) = source.entries()
    monkeypatch.setattr(Flaky, "failure", RuntimeError("Forbidden"))
    with pytest.raises(SampleError, match="unreadable: Forbidden"):
        source.read(entry)
    with pytest.raises(InputError, match="cannot be opened: Forbidden"):
        open_source("flaky://denied/1.jpg")


def test_a_protocol_that_needs_a_package() -> None:
    with pytest.raises(InputError, match="cannot be opened") as caught:
        open_source("unknown-protocol://bucket")
    assert "\n" not in str(caught.value)
