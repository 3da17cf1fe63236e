from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from pe.errors import DamageError
from pe.shards.output import Output
from pe.shards.sidecar import Counts, Sidecar, keys_hash
from tests.shards import factory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    factory.run(tmp_path, factory.photos(12), shard_inputs=12)
    return Output(tmp_path).sidecar_path("0000-00000")


def test_it_is_json_and_comes_back_as_it_was(path: Path) -> None:
    sidecar = Sidecar.load(path)
    assert sidecar.to_bytes() == path.read_bytes()
    value = json.loads(path.read_bytes())
    assert value["samples"] == len(value["index"]) == 10
    assert value["counts"] == {"written": 10, "filtered": {}, "duplicate": 1, "quarantined": {"truncated": 1}}
    assert (value["first_key"], value["last_key"]) == ("0000-00000-00000", "0000-00000-00011")


def test_the_first_line_alone_gives_all_but_the_index(path: Path) -> None:
    head = Sidecar.load(path, index=False)
    assert head == Sidecar.load(path).model_copy(update={"index": []})


def test_it_holds_no_time_host_or_path(path: Path) -> None:
    text = path.read_text()
    assert str(path.parent.parent) not in text
    assert set(json.loads(text)) == {*Sidecar.model_fields, "check"}


def test_every_flipped_byte_and_every_cut_is_found(path: Path) -> None:
    data = path.read_bytes()
    rng = random.Random(1)
    for position in rng.sample(range(len(data)), 200):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(DamageError):
            Sidecar.load(path)
    for size in rng.sample(range(len(data)), 50):
        path.write_bytes(data[:size])
        with pytest.raises(DamageError):
            Sidecar.load(path)


def test_counts_that_do_not_add_up_are_refused(path: Path) -> None:
    value = Sidecar.load(path).model_dump()
    with pytest.raises(ValidationError, match="12 inputs are accounted for and there are 13"):
        Sidecar.model_validate({**value, "inputs": 13})
    with pytest.raises(ValidationError, match="there are 9 samples"):
        Sidecar.model_validate({**value, "samples": 9})


def test_an_index_of_other_keys_is_refused_even_with_the_right_check(path: Path) -> None:
    sidecar = Sidecar.load(path)
    path.write_bytes(sidecar.model_copy(update={"index": sidecar.index[1:]}).to_bytes())
    with pytest.raises(DamageError, match="index is not that of its 10 samples"):
        Sidecar.load(path)


def test_counts_total_everything() -> None:
    assert Counts(written=1, filtered={"size": 2}, duplicate=3, quarantined={"format": 4, "bytes": 5}).total == 15
    assert keys_hash(["a", "b"]) != keys_hash(["ab"])
