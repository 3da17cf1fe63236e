from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest

from pe.shards.check import ShardReport, check_shard
from pe.shards.output import Output
from pe.shards.sidecar import Counts, Row, Sidecar, keys_hash
from pe.shards.writer import tar_member
from tests.shards import factory

NAME = "0000-00000"


@pytest.fixture
def output(tmp_path: Path) -> Output:
    factory.run(tmp_path, factory.photos(9), shard_inputs=9)
    return Output(tmp_path)


def truth(output: Output) -> dict[str, tuple[int, int]]:
    """Key to the first and last byte + 1 of its piece of the tar."""
    return {row.key: (row.offset, row.offset + row.size) for row in Sidecar.load(output.sidecar_path(NAME)).index}


def assert_honest(report: ShardReport, data: bytes, whole: bytes, places: dict[str, tuple[int, int]]) -> None:
    """A safe sample's payloads are those that were committed, and every sample is named once."""
    for key in report.safe:
        start, end = places[key]
        size = int(whole[start + 124 : start + 135], 8)
        record = start + 512 + size + -size % 512
        length = int(whole[record + 124 : record + 135], 8)
        assert record + 512 + length + -length % 512 == end
        for first, count in ((start + 512, size), (record + 512, length)):
            assert data[first : first + count] == whole[first : first + count], key
    assert set(report.safe) | set(report.unsafe) >= places.keys()
    assert not set(report.safe) & set(report.unsafe)


def test_a_whole_shard_is_whole(output: Output) -> None:
    report, sidecar = check_shard(output.tar_path(NAME))
    assert report.problems == []
    assert report.safe == list(truth(output))
    assert sidecar == Sidecar.load(output.sidecar_path(NAME))


@pytest.mark.parametrize("sidecar", ["kept", "lost", "broken"])
@pytest.mark.parametrize("books", ["kept", "lost"])
def test_a_cut_at_every_block_border_is_found(output: Output, sidecar: str, books: str) -> None:
    path, places = output.tar_path(NAME), truth(output)
    whole = path.read_bytes()
    damage_sidecar(output, sidecar)
    if books == "lost":
        output.ledger_path(NAME).unlink()
    for size in range(0, len(whole), 512):
        path.write_bytes(whole[:size])
        report, _ = check_shard(path)
        assert report.problems
        if books == "kept" or sidecar == "kept":
            assert_honest(report, whole[:size], whole, places)
            intact = [key for key, (_, end) in places.items() if end <= size]
            assert report.safe == intact, size
        else:
            assert report.safe == []


def damage_sidecar(output: Output, how: str) -> None:
    path = output.sidecar_path(NAME)
    if how == "lost":
        path.unlink()
    elif how == "broken":
        path.write_bytes(path.read_bytes().replace(b'"inputs":9', b'"inputs":8'))


@pytest.mark.parametrize("sidecar", ["kept", "lost"])
def test_any_flipped_byte_is_found(output: Output, sidecar: str) -> None:
    path, places = output.tar_path(NAME), truth(output)
    whole, rng = path.read_bytes(), random.Random(11)
    damage_sidecar(output, sidecar)
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 1, 5))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        report, _ = check_shard(path)
        assert report.problems or data == whole
        assert_honest(report, bytes(data), whole, places)
        if sidecar == "kept":
            intact = [key for key, (start, end) in places.items() if data[start:end] == whole[start:end]]
            assert report.safe == intact


def test_a_byte_flipped_in_every_block_names_that_sample_alone(output: Output) -> None:
    path, places = output.tar_path(NAME), truth(output)
    whole = path.read_bytes()
    for start in range(0, len(whole), 512):
        data = bytearray(whole)
        data[start + 100] ^= 0x40
        path.write_bytes(data)
        report, _ = check_shard(path)
        hit = [key for key, (first, end) in places.items() if first <= start < end]
        assert list(report.unsafe) == hit
        assert report.problems == ["bytes were changed"]
        assert report.line().startswith(f"{NAME}: damaged (bytes were changed): {8 - len(hit)} of 8 samples are safe")


def test_bytes_put_in_or_behind_are_found(output: Output) -> None:
    path = output.tar_path(NAME)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(512))
    report, _ = check_shard(path)
    assert len(report.safe) == 8
    assert "bytes instead of" in report.problems[0]
    path.write_bytes(bytes(512) + whole)
    report, _ = check_shard(path)
    assert report.safe == []


def test_a_missing_tar_and_both_missing(output: Output) -> None:
    output.tar_path(NAME).unlink()
    report, _ = check_shard(output.tar_path(NAME))
    assert report.problems == ["the tar is missing"]
    assert (len(report.unsafe), report.samples) == (8, 8)
    output.sidecar_path(NAME).unlink()
    report, sidecar = check_shard(output.tar_path(NAME))
    assert sidecar is None
    assert (len(report.unsafe), report.samples) == (8, 8), "the ledger knows what is lost"


def test_without_a_sidecar_the_ledger_proves_records(output: Output) -> None:
    path = output.tar_path(NAME)
    output.sidecar_path(NAME).unlink()
    whole = path.read_bytes()
    # A record that still validates, and whose image still fits, is not what was committed.
    changed = whole.replace(b"a picture called 0000-00000-00003", b"a picture killed 0000-00000-00003")
    assert len(changed) == len(whole)
    assert changed != whole
    path.write_bytes(changed)
    report, _ = check_shard(path)
    assert report.unsafe == {"0000-00000-00003": "the record's bytes were changed"}
    assert len(report.safe) == 7


def _shard_of(output: Output, blocks: list[tuple[str, bytes, bytes]]) -> Path:
    """A committed shard of arbitrary members, whose sidecar vouches for them."""
    tar = b"".join(tar_member(f"{key}.jpg", image) + tar_member(f"{key}.json", record) for key, image, record in blocks)
    tar += bytes(1024)
    path = output.tar_path(NAME)
    sidecar, rows, offset = Sidecar.load(output.sidecar_path(NAME)), [], 0
    for key, image, record in blocks:
        size = len(tar_member("x", image) + tar_member("x", record))
        hashes = [hashlib.sha256(part).hexdigest() for part in (image, record)]
        rows.append(Row(key, offset, size, *hashes))
        offset += size
    keys = [row.key for row in rows]
    fields = {
        "samples": len(rows), "bytes": len(tar), "sha256": hashlib.sha256(tar).hexdigest(), "index": rows,
        "keys_sha256": keys_hash(keys), "first_key": keys[0], "last_key": keys[-1], "inputs": len(rows),
        "counts": Counts(written=len(rows)),
    }  # fmt: skip
    output.sidecar_path(NAME).write_bytes(sidecar.model_copy(update=fields).to_bytes())
    path.write_bytes(tar)
    return path


def test_a_key_that_comes_twice_is_found(output: Output) -> None:
    image = factory.picture(1)
    record = factory.sample("k", image).to_json()
    path = _shard_of(
        output, [("k", image, record), ("l", image, factory.sample("l", image).to_json()), ("k", image, record)]
    )
    report, _ = check_shard(path)
    assert "key k comes twice" in report.problems
    output.sidecar_path(NAME).unlink()
    report, _ = check_shard(path)
    assert "key k comes twice" in report.problems
    assert "k" not in report.safe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 25}, "the record says JPEG of 25x16, the image is JPEG of 24x16"),
        ({"height": 17}, "the record says JPEG of 24x17"),
        ({"format": "PNG"}, "the record says PNG of 24x16"),
        ({"sha256": "0" * 64}, "sha256 is not that of the image"),
        ({"key": "other"}, "the record is that of other"),
        ({"negatives_json": "[1,"}, "holds JSON that cannot be read"),
        ({"objects_json": '[{"id": 1}]'}, r"does not validate \(0.phrase: Field required\)"),
        ({"objects_json": "7"}, r"does not validate \(Input should be a valid array\)"),
        ({"kind": "novel"}, r"does not validate \(kind"),
    ],
)
def test_records_that_are_not_right_are_found_though_committed(
    output: Output, change: dict[str, object], words: str
) -> None:
    image = factory.picture(1)
    good, bad = factory.sample("good", image), factory.sample("bad", image)
    path = _shard_of(output, [("good", image, good.to_json()), ("bad", image, bad.model_copy(update=change).to_json())])
    report, _ = check_shard(path)
    assert report.safe == ["good"]
    assert list(report.unsafe) == ["bad"]
    assert re.search(words, report.unsafe["bad"])
    assert report.problems == [f"bad: {report.unsafe['bad']}"]


def test_a_picture_that_is_none_is_found(output: Output) -> None:
    image = b"no picture"
    record = factory.sample("k", factory.picture(1))
    record = record.model_copy(update={"sha256": hashlib.sha256(image).hexdigest()})
    report, _ = check_shard(_shard_of(output, [("k", image, record.to_json())]))
    assert "header cannot be read" in report.unsafe["k"]


def test_a_tar_where_nothing_was_written_is_found(tmp_path: Path) -> None:
    factory.run(tmp_path, factory.BytesSource({"a": None}))
    path = Output(tmp_path).tar_path(NAME)
    assert check_shard(path)[0].problems == []
    path.write_bytes(bytes(1024))
    assert "nothing was written" in check_shard(path)[0].problems[0]


def test_another_shards_sidecar_is_found(output: Output) -> None:
    output.sidecar_path(NAME).rename(output.sidecar_path("0000-00007"))
    output.tar_path(NAME).rename(output.tar_path("0000-00007"))
    assert "its sidecar is that of 0000-00000" in check_shard(output.tar_path("0000-00007"))[0].problems


def test_ten_unsafe_keys_are_named_and_the_rest_counted() -> None:
    report = ShardReport("s", 12, ["x"], [], {f"k{number}": "gone" for number in range(12)})
    assert report.line() == (
        "s: damaged (x): 0 of 12 samples are safe; unsafe: k0, k1, k2, k3, k4, k5, k6, k7, k8, k9 and 2 more"
    )
