from __future__ import annotations

import random
from pathlib import Path

import pytest

from pe.errors import DamageError, InputError
from pe.shards.output import Output
from pe.shards.read import read_sample, read_shard
from tests.shards import factory


@pytest.fixture
def output(tmp_path: Path) -> Output:
    factory.run(tmp_path, factory.photos(12))
    return Output(tmp_path)


def test_what_was_written_is_read(output: Output) -> None:
    source = factory.photos(12)
    read = [pair for path in output.shards() for pair in read_shard(path)]
    assert len(read) == 10
    for sample, image in read:
        assert image == source.files[sample.source]
        assert sample.objects()[0].phrase == "a café"
    assert [sample.key for sample, _ in read_shard(output.sidecar_path("0000-00001"))] == [
        "0000-00001-00000", "0000-00001-00002", "0000-00001-00003", "0000-00001-00004",
    ]  # fmt: skip


def test_a_sample_is_found_by_key(output: Output) -> None:
    sample, image = read_sample(output, "0000-00002-00001")
    assert (sample.source, image) == ("00011.jpg", factory.picture(11))
    with pytest.raises(InputError, match="has no sample 0000-00001-00001"):
        read_sample(output, "0000-00001-00001")
    with pytest.raises(InputError, match="has no sample nonsense"):
        read_sample(output, "nonsense")


def test_a_shard_without_samples_is_empty(tmp_path: Path) -> None:
    factory.run(tmp_path, factory.BytesSource({"a": None}))
    assert list(read_shard(Output(tmp_path).tar_path("0000-00000"))) == []


def test_without_a_sidecar_or_tar_it_says_so(output: Output) -> None:
    output.tar_path("0000-00000").unlink()
    with pytest.raises(DamageError, match="No such file"):
        list(read_shard(output.tar_path("0000-00000")))
    output.sidecar_path("0000-00001").unlink()
    with pytest.raises(InputError, match="never committed"):
        list(read_shard(output.tar_path("0000-00001")))


def test_no_changed_byte_of_a_sample_is_handed_out(output: Output) -> None:
    path = output.shards()[0]
    data, rng = path.read_bytes(), random.Random(3)
    good = {sample.key: (sample, image) for sample, image in read_shard(path)}
    for position in rng.sample(range(len(data) - 1024), 150):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        got = []
        with pytest.raises(DamageError, match="pe verify"):
            got.extend(read_shard(path))
        for sample, image in got:
            assert good[sample.key] == (sample, image)
    path.write_bytes(data[:-1500])
    with pytest.raises(DamageError, match="tar header is damaged"):
        list(read_shard(path))
