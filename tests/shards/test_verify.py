from __future__ import annotations

from pathlib import Path

import pytest

from pe.errors import InputError
from pe.shards.lease import lease
from pe.shards.output import Output
from pe.shards.sidecar import Sidecar
from pe.shards.verify import verify_output, verify_shard
from tests.shards import factory


@pytest.fixture
def output(tmp_path: Path) -> Output:
    factory.run(tmp_path, factory.photos(23))
    return Output(tmp_path)


def test_a_whole_output_is_whole_and_adds_up(output: Output) -> None:
    told: list[tuple[int, int]] = []
    report = verify_output(output, on_progress=lambda done, count: told.append((done, count)))
    assert report.whole
    assert report.notes == []
    assert (len(report.shards), report.summary.inputs, report.summary.written) == (5, 23, 18)
    assert told[-1] == (5, 5)


def test_verify_touches_nothing(output: Output) -> None:
    before = factory.tree(output.root)
    verify_output(output)
    assert factory.tree(output.root) == before


def test_only_the_damaged_shard_is_named(output: Output) -> None:
    path = output.tar_path("0000-00003")
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    report = verify_output(output)
    (shard,) = report.damaged
    assert shard.line() == (
        "0000-00003: damaged (bytes were changed): 4 of 5 samples are safe; unsafe: 0000-00003-00000"
    )
    assert report.problems == []


@pytest.mark.parametrize("folder", ["ledger", "quarantine"])
def test_changed_and_missing_books_are_found(output: Output, folder: str) -> None:
    path = output.root / folder / "0000-00002.jsonl"
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 2
        path.write_bytes(changed)
        (shard,) = verify_output(output).damaged
        assert shard.problems == [f"its {folder} was changed"]
        assert len(shard.safe) == shard.samples == 3
    path.unlink()
    (shard,) = verify_output(output).damaged
    assert shard.problems == [f"its {folder} is missing"]


def test_a_quarantine_that_nobody_wrote_is_found(output: Output) -> None:
    output.quarantine_path("0000-00000").write_text("{}\n")
    (shard,) = verify_output(output).damaged
    assert shard.problems == ["its quarantine was changed"]


def test_counts_that_are_not_the_ledgers_are_found(output: Output) -> None:
    path = output.sidecar_path("0000-00001")
    sidecar = Sidecar.load(path)
    counts = sidecar.counts.model_copy(update={"duplicate": 0, "filtered": {"size": 1}})
    path.write_bytes(sidecar.model_copy(update={"counts": counts}).to_bytes())
    (shard,) = verify_output(output).damaged
    assert shard.problems == ["its ledger does not give the sidecar's counts"]


def test_missing_sidecar_and_missing_tar_are_found(output: Output) -> None:
    output.sidecar_path("0000-00000").unlink()
    output.tar_path("0000-00001").unlink()
    first, second = verify_output(output).damaged
    assert first.problems == ["its sidecar is missing, or it was never committed"]
    assert len(first.safe) == first.samples == 5
    assert second.problems == ["the tar is missing"]
    assert len(second.unsafe) == second.samples == 4


def test_a_damaged_shard_is_made_again_by_the_same_command(output: Output) -> None:
    before = factory.tree(output.root)
    output.sidecar_path("0000-00000").unlink()
    for path in (output.tar_path("0000-00001"), output.sidecar_path("0000-00001")):
        path.unlink()
    factory.run(output.root, factory.photos(23))
    assert factory.tree(output.root) == before


def test_a_shard_of_another_plan_is_found(output: Output, tmp_path: Path) -> None:
    source = factory.photos(23)
    source.files["00003.jpg"] = factory.picture(1000)
    other = Output(tmp_path / "other")
    factory.run(other.root, source)
    for folder in ("shards", "ledger"):
        for path in (other.root / folder).glob("0000-00000.*"):
            (output.root / folder / path.name).write_bytes(path.read_bytes())
    (shard,) = verify_output(output).damaged
    assert shard.problems == ["its inputs are not those of the plan"]


def test_keys_across_shards_are_unique(output: Output) -> None:
    for path, new in ((output.tar_path("0000-00000"), "x.tar"), (output.sidecar_path("0000-00000"), "x.json")):
        (output.shards_dir / new).write_bytes(path.read_bytes())
    (shard,) = verify_output(output).damaged
    assert "key 0000-00000-00000 is also in 0000-00000" in shard.problems
    assert "its sidecar is that of 0000-00000" in shard.problems


def test_a_shard_that_was_never_planned_is_found(output: Output) -> None:
    piece = output.plan_path.read_bytes().splitlines(keepends=True)
    output.plan_path.write_bytes(b"".join(line for line in piece if b'{"slice":"0000-00004"' not in line))
    (shard,) = verify_output(output).damaged
    assert shard.problems == ["plan.jsonl has no such slice"]


def test_work_that_is_not_done_and_leftovers_are_notes(output: Output) -> None:
    factory.extend_plan(output, factory.photos(31), factory.CONFIG, factory.CONFIG_HASH, shard_inputs=4)
    (output.shards_dir / ".0001-00000.tar.tmp").write_bytes(b"half")
    report = verify_output(output)
    assert report.whole
    assert report.notes == [
        "2 of 7 slices are not done yet; the same command goes on",
        "temporary files of a killed or running command: .0001-00000.tar.tmp",
    ]


def test_an_interrupted_plan_is_a_note(output: Output) -> None:
    lines = output.plan_path.read_bytes().splitlines(keepends=True)
    output.plan_path.write_bytes(b"".join(lines[:-1]) + lines[-1][:5])
    report = verify_output(output)
    assert report.whole
    assert report.notes == ["planning was interrupted; the same command goes on"]


def test_a_shard_in_the_making_is_a_note(output: Output) -> None:
    output.sidecar_path("0000-00001").unlink()
    held = lease(output, "0000-00001")
    assert held is not None
    with held:
        report = verify_output(output)
    assert report.whole
    assert any("0000-00001 is being written by" in note for note in report.notes)


def test_a_damaged_and_a_missing_plan_are_problems_and_shards_are_still_checked(output: Output) -> None:
    data = output.plan_path.read_bytes()
    output.plan_path.write_bytes(data.replace(b'"inputs":[[', b'"inputs":[', 1))
    output.tar_path("0000-00003").unlink()
    report = verify_output(output)
    assert "is damaged" in report.problems[0]
    assert [shard.name for shard in report.damaged] == ["0000-00003"]


def test_what_is_no_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an output folder"):
        verify_output(Output(tmp_path / "nothing"))
    with pytest.raises(InputError, match="neither an output folder nor a shard"):
        verify_shard(tmp_path / "nothing.tar")


def test_one_shard_by_itself(output: Output, tmp_path: Path) -> None:
    away = tmp_path / "copied" / "away"
    away.mkdir(parents=True)
    for path in (output.tar_path("0000-00001"), output.sidecar_path("0000-00001")):
        (away / path.name).write_bytes(path.read_bytes())
    assert verify_shard(away / "0000-00001.tar").problems == []
    assert verify_shard(away / "0000-00001.json").safe
    (away / "0000-00001.json").unlink()
    report = verify_shard(away / "0000-00001.tar")
    assert report.safe == []
    assert set(report.unsafe.values()) == {"without sidecar and ledger nothing proves its record"}
