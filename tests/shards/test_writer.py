from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pe.errors import DiskError
from pe.shards.output import Output
from pe.shards.plan import extend_plan
from pe.shards.sidecar import Sidecar
from pe.shards.verify import verify_output
from pe.shards.writer import ShardWriter, count_ledger, tar_header
from tests.shards import factory, kills


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path / "out").create()


def done(writer: ShardWriter, *keys: str) -> Sidecar:
    ledger = [{"id": key, "status": "written", "key": key} for key in keys]
    return writer.commit(ledger=ledger, quarantine=[], config_hash="c", input_hash="i")


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    factory.run(tmp_path / "a", factory.photos(30))
    factory.run(tmp_path / "b", factory.photos(30))
    assert factory.tree(tmp_path / "a") == factory.tree(tmp_path / "b")


def test_tarfile_reads_plain_members_in_order(output: Output) -> None:
    image = factory.picture(1)
    with ShardWriter(output, "s") as writer:
        for key in ("k1", "k2"):
            writer.add(factory.sample(key, image), image)
        sidecar = done(writer, "k1", "k2")
    with tarfile.open(output.tar_path("s")) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == ["k1.jpg", "k1.json", "k2.jpg", "k2.json"]
        assert {(m.mtime, m.uid, m.gid, m.mode, m.uname, m.gname) for m in members} == {(0, 0, 0, 0o644, "", "")}
        assert all(not member.pax_headers for member in members)
        stream = tar.extractfile("k1.jpg")
        assert stream is not None
        assert stream.read() == image
    assert sidecar.bytes == output.tar_path("s").stat().st_size
    assert sidecar.index[1].offset == sidecar.index[0].size


def test_headers_are_tarfiles_own() -> None:
    info = tarfile.TarInfo("a-_0.json")
    info.size = 1234567
    ours, theirs = tar_header("a-_0.json", 1234567), info.tobuf(tarfile.USTAR_FORMAT)
    read = [tarfile.TarInfo.frombuf(header, "ascii", "strict").get_info() for header in (ours, theirs)]
    assert {**read[0], "chksum": 0} == {**read[1], "chksum": 0}
    assert len(ours) == 512
    with pytest.raises(ValueError, match="plain tar member"):
        tar_header("k" * 101, 1)
    with pytest.raises(ValueError, match="plain tar member"):
        tar_header("k", 8 * 2**30)


def test_the_longest_key_fits(output: Output) -> None:
    image, key = factory.picture(1), "k" * 95
    with ShardWriter(output, "s") as writer:
        writer.add(factory.sample(key, image), image)
        done(writer, key)
    with tarfile.open(output.tar_path("s")) as tar:
        assert tar.getnames() == [f"{key}.jpg", f"{key}.json"]


def test_bad_samples_are_refused_and_the_shard_stays_good(output: Output) -> None:
    image = factory.picture(1)
    record = factory.sample("k", image)
    with ShardWriter(output, "s") as writer:
        writer.add(record, image)
        with pytest.raises(ValueError, match="in s already"):
            writer.add(record, image)
        for key in ("a.b", "../x", "", ".k", "k" * 96, "k\n"):
            with pytest.raises(ValueError, match="cannot be a key"):
                writer.add(record.model_copy(update={"key": key}), image)
        assert len(writer) == 1
        done(writer, "k")


@pytest.mark.parametrize(
    ("ledger", "quarantine", "words"),
    [
        ([], [], "written keys"),
        ([{"id": "x", "status": "written", "key": "other"}], [], "written keys"),
        ([{"id": "x", "status": "lost"}], [], "not a status"),
        ([{"id": "a", "status": "written", "key": "k"}], [{"id": "b"}], "quarantine's inputs"),
        (
            [{"id": "a", "status": "written", "key": "k"}, {"id": "b", "status": "quarantined", "reason": "r"}],
            [],
            "quarantine's inputs",
        ),
    ],
)
def test_books_that_do_not_fit_are_refused(
    output: Output, ledger: list[dict[str, Any]], quarantine: list[dict[str, Any]], words: str
) -> None:
    image = factory.picture(1)
    with ShardWriter(output, "s") as writer:
        writer.add(factory.sample("k", image), image)
        with pytest.raises(ValueError, match=words):
            writer.commit(ledger=ledger, quarantine=quarantine, config_hash="", input_hash="")
    assert factory.tree(output.root) == {"plan.jsonl": b""}


def test_the_ledger_is_counted_by_status_and_reason() -> None:
    lines = [
        {"id": "a", "status": "written", "key": "k"},
        {"id": "b", "status": "filtered", "reason": "size"},
        {"id": "c", "status": "filtered", "reason": "size"},
        {"id": "d", "status": "duplicate", "of": "a"},
        {"id": "e", "status": "quarantined", "reason": "format"},
    ]
    counts = count_ledger(lines)
    assert counts.model_dump() == {
        "written": 1, "filtered": {"size": 2}, "duplicate": 1, "quarantined": {"format": 1},
    }  # fmt: skip
    with pytest.raises(KeyError):
        count_ledger([{"id": "b", "status": "filtered"}])


def test_a_slice_without_samples_has_a_sidecar_and_no_tar(output: Output) -> None:
    output.tar_path("s").write_bytes(b"of a killed run")
    with ShardWriter(output, "s") as writer:
        sidecar = writer.commit(
            ledger=[{"id": "a", "status": "filtered", "reason": "size"}], quarantine=[], config_hash="", input_hash=""
        )
    assert (sidecar.samples, sidecar.bytes, sidecar.sha256, sidecar.first_key) == (0, 0, "", "")
    assert sorted(factory.tree(output.root)) == ["ledger/s.jsonl", "plan.jsonl", "shards/s.json"]
    assert output.shards() == []


def test_leaving_uncommitted_leaves_nothing_and_a_commit_stays(output: Output) -> None:
    image = factory.picture(1)
    with ShardWriter(output, "s") as writer:
        writer.add(factory.sample("k", image), image)
        assert [*factory.tree(output.shards_dir)] == [".s.tar.tmp"]
    assert factory.tree(output.root) == {"plan.jsonl": b""}
    with ShardWriter(output, "s") as writer:
        writer.add(factory.sample("k", image), image)
        done(writer, "k")
        writer.abandon()
    assert output.is_committed("s")
    assert output.tar_path("s").exists()
    with pytest.raises(ValueError, match="committed already"):
        ShardWriter(output, "s")
    with pytest.raises(ValueError, match="closed"):
        writer.add(factory.sample("l", image), image)


def test_what_a_killed_attempt_left_is_removed(output: Output) -> None:
    for folder in (output.shards_dir, output.ledger_dir, output.quarantine_dir):
        for name in ("s.tar", ".s.tar.tmp", ".s.json.tmp", "s.jsonl", ".s.jsonl.tmp"):
            (folder / name).write_bytes(b"junk")
    (output.shards_dir / "s2.tar").write_bytes(b"another's")
    with ShardWriter(output, "s") as writer:
        writer.add(factory.sample("k", factory.picture(1)), factory.picture(1))
        done(writer, "k")
    left = set(factory.tree(output.shards_dir)) | set(factory.tree(output.quarantine_dir))
    assert not any(path.startswith(".s.tar") or path == ".s.json.tmp" for path in factory.tree(output.shards_dir))
    assert "s2.tar" in left
    assert "s.jsonl" not in factory.tree(output.quarantine_dir)


def _commit_two(output: Output, image: bytes) -> str:
    """Commit a written and a quarantined input; returns what the disk said against it."""
    ledger = [
        {"id": "a", "status": "written", "key": "k"},
        {"id": "b", "status": "quarantined", "reason": "format"},
    ]
    try:
        with ShardWriter(output, "s") as writer:
            writer.add(factory.sample("k", image), image)
            writer.commit(ledger=ledger, quarantine=[{"id": "b"}], config_hash="", input_hash="")
    except DiskError as error:
        return str(error)
    return ""


CALLS = ("write", "fsync", "open", "replace")


@pytest.mark.parametrize("call", CALLS)
def test_a_disk_error_at_any_call_leaves_nothing_partial(
    output: Output, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Fail the 1st, 2nd, 3rd ... such call of a commit, until one goes through untouched."""
    image = factory.picture(1)
    home, name = (Path, call) if call == "replace" else (os, call)
    real = getattr(home, name)
    for failing in range(30):
        count = 0

        def broken(*arguments: Any, _failing: int = failing, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == _failing + 1:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(home, name, broken)
            problem = _commit_two(output, image)
        if not problem:
            break
        assert "disk is full" in problem
        assert "\n" not in problem
        if output.is_committed("s"):  # only the very last sync of the folder failed: the shard is whole
            assert call in ("fsync", "open")
            shutil.rmtree(output.root)
            output.create()
        else:
            assert factory.tree(output.root) == {"plan.jsonl": b""}
    assert failing >= 4
    assert output.is_committed("s")


def test_what_the_disk_changed_while_writing_is_found(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    image, real = factory.picture(1), os.write

    def rotten(handle: int, data: bytes) -> int:
        if len(data) > 1000:
            data = bytearray(data)
            data[3] ^= 1
        return real(handle, data)

    monkeypatch.setattr(os, "write", rotten)
    writer = ShardWriter(output, "s")
    writer.add(factory.sample("k", image), image)
    with pytest.raises(DiskError, match="damaged while it was written"):
        done(writer, "k")
    monkeypatch.undo()
    assert factory.tree(output.root) == {"plan.jsonl": b""}


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    ) if os.getuid() == 0 and shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode:
        folder.rmdir()
        pytest.skip("needs root and the right to mount a filesystem of 1 MiB")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk_ends_in_one_line_and_goes_on_when_there_is_room(tiny_disk: Path, tmp_path: Path) -> None:
    source = factory.BytesSource({f"{number:03d}": factory.picture(number, (80, 60)) for number in range(40)})
    factory.run(tmp_path / "whole", source)
    out = tiny_disk / "out"
    (tiny_disk / "ballast").write_bytes(bytes(800 * 1024))
    with pytest.raises(DiskError, match=rf"the disk is full: {out}.*make room and run again"):
        factory.run(out, source)
    assert 0 < len(Output(out).shards()) < 8
    report = verify_output(Output(out))
    assert report.whole
    left = [path for path in factory.tree(out) if "/." in path]
    assert left == []
    assert factory.tree(out).keys() < factory.tree(tmp_path / "whole").keys()
    (tiny_disk / "ballast").unlink()
    factory.run(out, source)
    assert factory.tree(out) == factory.tree(tmp_path / "whole")


def test_a_disk_that_fills_up_while_planning(tiny_disk: Path, tmp_path: Path) -> None:
    source = factory.BytesSource({f"{number:0100d}": b"%d" % number for number in range(500)})
    arguments = (source, factory.CONFIG, factory.CONFIG_HASH, 10)
    extend_plan(Output(tmp_path), *arguments)
    free = shutil.disk_usage(tiny_disk).free
    (tiny_disk / "ballast").write_bytes(bytes(free - 64 * 1024))
    with pytest.raises(DiskError, match=r"plan\.jsonl; nothing partial is kept"):
        extend_plan(Output(tiny_disk / "out"), *arguments)
    kept = (tiny_disk / "out" / "plan.jsonl").read_bytes()
    assert kept.endswith(b"\n")
    (tiny_disk / "ballast").unlink()
    extend_plan(Output(tiny_disk / "out"), *arguments)
    assert factory.tree(tiny_disk / "out") == factory.tree(tmp_path)


@pytest.mark.parametrize(("workers", "count"), [(1, 14), (3, 9)])
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path: Path, workers: int, count: int) -> None:
    told = kills.storm(tmp_path, kills=count, inputs=60, workers=workers, seed=workers)
    assert told["in time"] >= count // 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_a_hundred_kills(tmp_path: Path, workers: int) -> None:
    told = kills.storm(tmp_path, kills=100, inputs=60, workers=workers, seed=7)
    assert told["in time"] >= 50
    assert told["after a commit"] >= 30
