from __future__ import annotations

from pathlib import Path

import pytest

from pe.errors import DamageError, InputError
from pe.reports import pick
from pe.shards.output import Output
from tests.reports import outputs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Output:
    return outputs.animals(tmp_path_factory.mktemp("made") / "out")


def _sources(picked: object) -> list[str]:
    return [sample.source for sample, _ in picked]  # type: ignore[attr-defined]


def test_everything_in_order(made: Output) -> None:
    for limit in (0, 10, 500):
        assert [sample.key for sample, _ in pick.spread(made, limit)] == sorted(
            sample.key for sample, _ in pick.spread(made, 0)
        )
        assert len(_sources(pick.spread(made, limit))) == 10


def test_a_few_come_from_every_shard(made: Output) -> None:
    assert len(made.shards()) == 3
    picked = list(pick.spread(made, 5))
    assert _sources(picked)[:3] == ["00000.jpg", "00002.jpg", "00004.jpg"]
    assert len(picked) == 5
    assert len({sample.key.rpartition("-")[0] for sample, _ in picked}) == 3
    assert _sources(pick.spread(made, 1)) == ["00000.jpg"]


def test_matching(made: Output) -> None:
    assert _sources(pick.matching(made, 0, None, "CAT")) == ["00000.jpg", "00002.jpg", "elsewhere/x.jpg", "00007.jpg"]
    assert _sources(pick.matching(made, 2, None, "cat")) == ["00000.jpg", "00002.jpg"]
    assert _sources(pick.matching(made, 0, "elsewhere", None)) == ["elsewhere/x.jpg"]
    assert _sources(pick.matching(made, 0, "OTHER/", "cat")) == ["elsewhere/x.jpg"]
    assert _sources(pick.matching(made, 0, "other/", "dog")) == []


def test_find_key(made: Output) -> None:
    keys = [sample.key for sample, _ in pick.spread(made, 0)]
    assert [pick.find_key(made, key) for key in keys] == keys
    assert len({len(key) for key in keys}) == 1
    with pytest.raises(InputError, match=f"starts several keys: {keys[0]}, {keys[1]}, {keys[2]} and 7 more"):
        pick.find_key(made, keys[0][:3])
    with pytest.raises(InputError, match=f"no sample .*the nearest are .*{keys[-1]}"):
        pick.find_key(made, keys[-1][:-1] + "x")
    with pytest.raises(InputError, match="no sample ''"):
        pick.find_key(made, "")


def test_a_prefix_of_one_key(tmp_path: Path) -> None:
    made = outputs.write(tmp_path / "out", [{}])
    ((sample, _),) = pick.spread(made, 0)
    assert pick.find_key(made, sample.key[:2]) == sample.key


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an output folder"):
        pick.open_output(str(tmp_path))
    with pytest.raises(InputError, match="not an output folder"):
        pick.open_output(str(tmp_path / "missing"))


def test_nothing_there_yet(tmp_path: Path) -> None:
    empty = Output(tmp_path / "out").create()
    assert list(pick.spread(empty, 5)) == []
    with pytest.raises(InputError, match="it has no samples"):
        pick.find_key(empty, "a")


def test_damage_is_not_shown(tmp_path: Path) -> None:
    made = outputs.write(tmp_path / "out", [{}, {}])
    (tar,) = made.shards()
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    with pytest.raises(DamageError, match="pe verify"):
        list(pick.spread(made, 0))
