from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pe.errors import DamageError, DiskError, InputError
from pe.shards.output import Output, disk_errors, write_whole
from tests.evaluation.rollouts import IMAGE, write
from tests.shards import factory


def test_a_new_a_missing_and_an_own_folder_are_taken(tmp_path: Path) -> None:
    Output(tmp_path / "deep" / "er").create()
    (tmp_path / "empty" / "lost+found").mkdir(parents=True)
    output = Output(tmp_path / "empty")
    assert not output.exists
    assert output.create().exists
    assert Output(tmp_path / "empty").exists


def test_nothing_is_touched_before_create(tmp_path: Path) -> None:
    Output(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://b", "hf://datasets/x", "file:///tmp/x"])
def test_a_url_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(InputError, match="has to be a local folder") as caught:
        Output(url)
    assert "\n" not in str(caught.value)


def test_a_file_a_full_folder_and_another_plan_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "holiday.jpg").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "plan.jsonl").write_text('{"steps": []}\n')
    with pytest.raises(InputError, match="is a file"):
        Output(tmp_path / "file")
    with pytest.raises(InputError, match=r"holiday\.jpg"):
        Output(tmp_path / "full")
    with pytest.raises(InputError, match="not a plan of pe"):
        Output(tmp_path / "other")
    with pytest.raises(InputError, match="Not a directory"):
        Output(tmp_path / "file" / "below").create()


def test_an_unwritable_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write there"):
        Output("/proc/pe-output").create()
    if os.getuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="Permission denied"):
            Output(tmp_path).create()


def test_committed_is_what_has_a_sidecar_and_shards_are_its_tars(tmp_path: Path) -> None:
    factory.run(tmp_path, factory.BytesSource({"a": factory.picture(1), "b": None, "c": factory.picture(2)}), 1)
    output = Output(tmp_path)
    assert output.committed() == ["0000-00000", "0000-00001", "0000-00002"]
    assert [path.name for path in output.shards()] == ["0000-00000.tar", "0000-00002.tar"]
    output.sidecar_path("0000-00002").unlink()
    assert [path.name for path in output.shards()] == ["0000-00000.tar"]


def test_the_summary_adds_up_to_the_inputs(tmp_path: Path) -> None:
    plan = factory.run(tmp_path, factory.photos(40))
    total = Output(tmp_path).summary()
    assert total.inputs == plan.inputs == 40
    assert total.written + sum(total.filtered.values()) + total.duplicate + sum(total.quarantined.values()) == 40
    assert total.quarantined == {"truncated": 3}
    assert total.duplicate == 5
    assert total.samples == total.written == 32
    assert total.bytes == sum(path.stat().st_size for path in Output(tmp_path).shards())


def test_too_little_room_is_told_before_the_work(tmp_path: Path) -> None:
    output = Output(tmp_path).create()
    output.require_free(1)
    with pytest.raises(DiskError, match="are needed; make room"):
        output.require_free(shutil.disk_usage(tmp_path).total + 1)


def test_a_failed_write_keeps_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"the disk is full: .*file; nothing partial is kept"):
        write_whole(path, b"new")
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == {"file": b"old"}


def test_other_write_errors_are_one_line_too() -> None:
    with pytest.raises(DiskError, match="cannot write x: Input/output error") as caught, disk_errors(Path("x")):
        raise OSError(5, "Input/output error")
    assert caught.value.exit_code == 74


def test_a_shard_that_is_gone_is_damage_and_one_without_samples_has_no_tar(tmp_path: Path) -> None:
    output = write(tmp_path / "out", [[factory.sample("a", IMAGE)], [factory.sample("b", IMAGE)], []])
    first, second = Output(output).shards()
    second.unlink()
    with pytest.raises(DamageError, match=f"{second}: is gone, with 1 committed samples"):
        Output(output).shards()
    assert first.exists()
